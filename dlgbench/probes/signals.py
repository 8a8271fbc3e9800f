"""Signals through the layers: gradients backward, activations forward; and the weights.

Slide "Vanishing Gradients Problem".
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import is_hidden
from dlgbench.layers.initialization import Weighted, weighted
from dlgbench.probes.subject import Measurement, Subject

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


def _unsuitable(subject: Subject, probe: str, expected: str) -> DlgbenchError:
    got = f"{type(subject.network).__name__} without"
    return DlgbenchError(f"probe {probe}: expected a network with {expected}, got {got}")


def _hidden_layers(subject: Subject, probe: str) -> list[Weighted]:
    """The layers with weights, without the last one."""
    hidden = weighted(subject.network)[:-1]
    if not hidden:
        raise _unsuitable(subject, probe, "a hidden layer")
    return hidden


def gradients(subject: Subject) -> Measurement:
    """||dL/dW^l||_2 for each hidden layer's weight, L the task's loss on the probe batch.

    `gradient/log10_ratio` is log10 of the first over the last, nan where one of them is 0. It is
    computed in float64, since the gradients of a sigmoid net of depth 20 are too small for float32.

    Raises:
        DlgbenchError: for a network without a hidden layer.
    """
    x, y = subject.data("gradients")
    network = subject.network.double().train()
    hidden = _hidden_layers(subject, "gradients")
    loss = subject.loss(network(x.double()), y.double() if y.is_floating_point() else y)
    parts = torch.autograd.grad(loss, [module.weight for module in hidden])
    norms = [float(part.norm()) for part in parts]
    ratio = math.log10(norms[0] / norms[-1]) if norms[0] and norms[-1] else math.nan
    metrics = {
        "gradient/first": norms[0],
        "gradient/last": norms[-1],
        "gradient/log10_ratio": ratio,
    }
    return Measurement(metrics, {"gradient/by_layer": norms})


def activations(subject: Subject) -> Measurement:
    """Standard deviation of each hidden layer's output W z + b over the probe batch and units.

    The output is taken before normalization and activation.

    Raises:
        DlgbenchError: for a network without a hidden layer.
    """
    x, _ = subject.data("activations")
    deviations: list[float] = []
    network = subject.network.double().train()
    for module in _hidden_layers(subject, "activations"):
        module.register_forward_hook(
            lambda _module, _inputs, output: deviations.append(float(output.detach().std()))
        )
    network(x.double())
    metrics = {"activation/first_sd": deviations[0], "activation/last_sd": deviations[-1]}
    return Measurement(metrics, {"activation/by_layer": deviations})


@torch.no_grad()
def dead_units(subject: Subject) -> Measurement:
    """Share of the units after activations g whose g(a) is 0 for every row of the probe batch.

    No gradient passes such a unit of a ReLU. The network is in evaluation mode. A unit of an image
    is a channel, which is dead where all its pixels are. The value 0 of a sigmoid or tanh does not
    mean a dead unit, and hardly ever occurs. The curve is over the activation layers in the order
    of their calls; the metrics are of all units, and of the layer with the largest share.

    Maas, Hannun & Ng 2013, section 1; Lu et al. 2020, "Dying ReLU and initialization", Commun.
    Comput. Phys. 28.

    Raises:
        DlgbenchError: for a network without activation layers.
    """
    x, _ = subject.data("dead_units")
    dead: list[Tensor] = []

    def look(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        dead.append((output == 0).transpose(0, 1).flatten(1).all(1).double())

    network = subject.network.eval()
    for module in network.modules():
        if is_hidden(module):
            module.register_forward_hook(look)
    network(x)
    if not dead:
        raise _unsuitable(subject, "dead_units", "activation layers")
    shares = [float(layer.mean()) for layer in dead]
    metrics = {"dead_units": float(torch.cat(dead).mean()), "dead_units/worst": max(shares)}
    return Measurement(metrics, {"dead_units/by_layer": shares})


def weight_norms(subject: Subject) -> Measurement:
    """||W^l||_2, the root of the sum of squares, of each layer's weight, and of all of them.

    Biases and the gammas of normalization are left out.

    Raises:
        DlgbenchError: for a network without weights.
    """
    norms = [float(module.weight.detach().double().norm()) for module in weighted(subject.network)]
    if not norms:
        raise _unsuitable(subject, "weight_norms", "weights")
    return Measurement({"weight_norms/total": math.hypot(*norms)}, {"weight_norms/by_layer": norms})


@torch.no_grad()
def response_sd(subject: Subject) -> Measurement:
    """Standard deviation of each hidden layer's response over the probe batch and units.

    In a residual network it says how much a branch changes the signal. The response is the output
    of the normalization of the layer's output where there is one, else the layer's own: before
    activation and addition, in evaluation mode. The normalization of a sum or of a concatenation,
    as in a net with pre-activation, belongs to the layers that come next. 1x1 convolutions, which
    are shortcuts and bottlenecks, are left out. The curve is over the layers in the order of their
    calls, the metric is its mean.

    He et al. 2016, CVPR, Figure 7: 3x3 layers of CIFAR ResNets, after BN and before other
    nonlinearity (ReLU or addition).

    Raises:
        DlgbenchError: for a network without such layers.
    """
    x, _ = subject.data("response_sd")
    layers = [
        module
        for module in _hidden_layers(subject, "response_sd")
        if not (isinstance(module, nn.Conv2d) and set(module.kernel_size) == {1})
    ]
    if not layers:
        raise _unsuitable(subject, "response_sd", "hidden layers other than 1x1 convolutions")
    responses: list[float] = []
    response, version = None, 0  # of the last layer; a change in place, such as +=, counts it up

    def look(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal response, version
        if module in layers:
            responses.append(float(output.std()))
            # autograd's count of changes in place has no public name
            response, version = output, output._version  # noqa: SLF001
        elif (
            isinstance(module, NORMS) and inputs[0] is response and version == response._version  # noqa: SLF001
        ):
            responses[-1] = float(output.std())

    network = subject.network.eval()
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(look)
    network(x)
    mean = sum(responses) / len(responses)
    return Measurement({"response_sd": mean}, {"response_sd/by_layer": responses})
