"""How the signal fares on its way through the layers: gradients backward, activations forward (slide "Vanishing Gradients Problem")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import Weighted, weighted


def _hidden(network: nn.Module, batch: object, probe: str) -> list[Weighted]:
    hidden = weighted(network)[:-1]
    if not hidden or batch is None:
        wanted = "a network with a hidden layer" if not hidden else "data"
        raise DlgbenchError(f"probe {probe} wants {wanted}; {type(network).__name__} without came")
    return hidden


def gradients(network: nn.Module, batch: tuple[Tensor, Tensor] | None) -> tuple[dict[str, float], dict[str, list[float]]]:
    """||dL/dW^l||_2 for each hidden layer's weight, L the cross-entropy on the probe batch, in float64.

    `gradient/log10_ratio` is log10 of the first over the last; float64, since a depth-20 sigmoid net's leaves float32.
    """
    network = network.double().train()
    hidden = _hidden(network, batch, "gradients")
    assert batch is not None
    loss = F.cross_entropy(network(batch[0].double()), batch[1])
    norms = [float(gradient.norm()) for gradient in torch.autograd.grad(loss, [module.weight for module in hidden])]
    ratio = math.log10(norms[0] / norms[-1]) if norms[0] and norms[-1] else math.nan  # where no gradient comes, no share of it is known
    return {"gradient/first": norms[0], "gradient/last": norms[-1], "gradient/log10_ratio": ratio}, {"gradient/by_layer": norms}


def activations(network: nn.Module, batch: tuple[Tensor, Tensor] | None) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Standard deviation of each hidden layer's output W z + b, before norm and activation, over the probe batch and units."""
    deviations: list[float] = []
    network = network.double().train()
    for module in _hidden(network, batch, "activations"):
        module.register_forward_hook(lambda _module, _inputs, output: deviations.append(float(output.detach().std())))
    assert batch is not None
    network(batch[0].double())
    figures = {"activation/first_sd": deviations[0], "activation/last_sd": deviations[-1]}
    return figures, {"activation/by_layer": deviations}
