"""How the signal fares on its way through the layers: gradients backward, activations forward (slide "Vanishing Gradients Problem"); and the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import HIDDEN
from dlgbench.layers.initialization import Weighted, weighted
from dlgbench.probes.subject import Figures, Subject

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


def _hidden(subject: Subject, probe: str) -> list[Weighted]:
    hidden = weighted(subject.network)[:-1]
    if not hidden:
        raise DlgbenchError(
            f"probe {probe} wants a network with a hidden layer; {type(subject.network).__name__} without came"
        )
    return hidden


def gradients(subject: Subject) -> Figures:
    """||dL/dW^l||_2 for each hidden layer's weight, L the task's loss on the probe batch, in float64.

    `gradient/log10_ratio` is log10 of the first over the last; float64, since a depth-20 sigmoid net's leaves float32.
    """
    x, y = subject.data("gradients")
    network = subject.network.double().train()
    hidden = _hidden(subject, "gradients")
    loss = subject.loss(network(x.double()), y.double() if y.is_floating_point() else y)
    norms = [
        float(gradient.norm())
        for gradient in torch.autograd.grad(loss, [module.weight for module in hidden])
    ]
    ratio = (
        math.log10(norms[0] / norms[-1]) if norms[0] and norms[-1] else math.nan
    )  # where no gradient comes, no share of it is known
    return {
        "gradient/first": norms[0],
        "gradient/last": norms[-1],
        "gradient/log10_ratio": ratio,
    }, {"gradient/by_layer": norms}


def activations(subject: Subject) -> Figures:
    """Standard deviation of each hidden layer's output W z + b, before norm and activation, over the probe batch and units."""
    x, _ = subject.data("activations")
    deviations: list[float] = []
    network = subject.network.double().train()
    for module in _hidden(subject, "activations"):
        module.register_forward_hook(
            lambda _module, _inputs, output: deviations.append(float(output.detach().std()))
        )
    network(x.double())
    figures = {"activation/first_sd": deviations[0], "activation/last_sd": deviations[-1]}
    return figures, {"activation/by_layer": deviations}


@torch.no_grad()
def dead_units(subject: Subject) -> Figures:
    """Share of the units whose g(a) is 0 for every row of the probe batch, so that no gradient passes them, after each activation g, in evaluation mode.

    A unit of an image is a channel: dead where all its pixels are. Under ReLU; a sigmoid's 0 and tanh's 0 are no death, and all but never met.
    The curve is over the activation layers in the order of their calls; the figures are of all units, and of the layer with the largest share.
    Maas, Hannun & Ng 2013, section 1; Lu et al. 2020, "Dying ReLU and initialization", Commun. Comput. Phys. 28.
    """
    x, _ = subject.data("dead_units")
    dead: list[Tensor] = []
    network = subject.network.eval()
    for module in network.modules():
        if isinstance(module, HIDDEN):
            module.register_forward_hook(
                lambda _module, _inputs, output: dead.append(
                    (output == 0).transpose(0, 1).flatten(1).all(1).double()
                )
            )
    network(x)
    if not dead:
        raise DlgbenchError(
            f"probe dead_units wants a network with activation layers; {type(network).__name__} without came"
        )
    shares = [float(layer.mean()) for layer in dead]
    return {"dead_units": float(torch.cat(dead).mean()), "dead_units/worst": max(shares)}, {
        "dead_units/by_layer": shares
    }


def weight_norms(subject: Subject) -> Figures:
    """||W^l||_2, the root of the sum of squares, of each layer's weight, and of all of them; biases and normalization's gammas are left out."""
    norms = [float(module.weight.detach().double().norm()) for module in weighted(subject.network)]
    if not norms:
        raise DlgbenchError(
            f"probe weight_norms wants a network with weights; {type(subject.network).__name__} without came"
        )
    return {"weight_norms/total": math.hypot(*norms)}, {"weight_norms/by_layer": norms}


@torch.no_grad()
def response_sd(subject: Subject) -> Figures:
    """Standard deviation of each hidden layer's response over the probe batch and units, in evaluation mode; how much a residual branch changes.

    The response is the output of the normalization behind the layer where there is one, else the layer's own: before activation and addition. 1x1
    convolutions, which are shortcuts and bottlenecks, are left out. The curve is over the layers in the order of their calls.
    He et al. 2016, CVPR, Figure 7: 3x3 layers of CIFAR ResNets, after BN and before other nonlinearity (ReLU or addition).
    """
    x, _ = subject.data("response_sd")
    layers = [
        module
        for module in _hidden(subject, "response_sd")
        if not (isinstance(module, nn.Conv2d) and set(module.kernel_size) == {1})
    ]
    if not layers:
        raise DlgbenchError(
            f"probe response_sd wants hidden layers other than 1x1 convolutions; {type(subject.network).__name__} without came"
        )
    responses: list[float] = []
    fresh = False  # whether the layer before was one of them

    def look(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal fresh
        if module in layers:
            responses.append(float(output.std()))
        elif fresh and isinstance(module, NORMS):
            responses[-1] = float(output.std())
        fresh = module in layers

    network = subject.network.eval()
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(look)
    network(x)
    return {"response_sd": sum(responses) / len(responses)}, {"response_sd/by_layer": responses}
