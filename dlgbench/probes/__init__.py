"""What is measured beside loss and error. A probe looks at a copy of the network before training and never changes the training.

A probe is a function of the network and a probe batch (None for a recipe without data) that returns its figures, under the names
that `dlgbench.metrics.PROBES` announces, and curves over the layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dlgbench.metrics import PROBES
from dlgbench.probes import receptive_field, signals
from dlgbench.recipe import Recipe
from dlgbench.streams import isolated

Batch = tuple[Tensor, Tensor] | None
Figures = tuple[dict[str, float], dict[str, list[float]]]  # name -> figure, name -> one figure per layer
MEASURES: dict[str, Callable[[nn.Module, Batch], Figures]] = {
    "gradients": signals.gradients,
    "activations": signals.activations,
    "receptive_field": receptive_field.measure,
}
PROBE_ROWS = 256


def probe(recipe: Recipe, network: nn.Module, batch: Batch) -> Figures:
    """Every probe of the recipe, each on a copy of the network; the random streams are left where they were."""
    figures: dict[str, float] = {"parameters": float(sum(p.numel() for p in network.parameters() if p.requires_grad))}
    curves: dict[str, list[float]] = {}
    for name in recipe.probes:
        with isolated(next(network.parameters()).device):
            torch.manual_seed(0)
            found, by_layer = MEASURES[name](copy.deepcopy(network), batch)
        assert set(found) == set(PROBES[name]), f"probe {name} announces {sorted(PROBES[name])} and gives {sorted(found)}"
        figures |= found
        curves |= by_layer
    return figures, curves
