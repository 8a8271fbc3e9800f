"""What is measured beside loss and error. A probe looks at a copy of the network, or on as a callback, and never changes the training.

A measure is a function of a `Subject` that returns its figures, under the names that `dlgbench.metrics.PROBES` announces, and curves over the
layers. An observer is a Lightning callback that keeps a `history` of (metric, step, value) and gives its `figures()` at the end.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from dlgbench.metrics import PROBES
from dlgbench.probes import (
    by_hand,
    checkerboard,
    cost,
    fit,
    hierarchy,
    inference,
    minima,
    noise,
    pictures,
    plane,
    receptive_field,
    signals,
)
from dlgbench.probes.drift import Drift
from dlgbench.probes.observers import Observer, Updates
from dlgbench.probes.subject import Figures, Subject
from dlgbench.recipe import Recipe
from dlgbench.streams import isolated

Moment = Literal["start", "end", "test"]
MOMENTS: tuple[Moment, ...] = ("start", "end", "test")


@dataclasses.dataclass(frozen=True)
class Probe:
    """A measure, and its moment: `start`, before the first step; `end`, after the last; `test`, after the last, on the test split.

    With `steps=0` the start is the end. A probe of the test split waits for an evaluation; the others look at the first `ROWS` of the training split.
    """

    measure: Callable[[Subject], Figures]
    when: Moment = "start"


MEASURES: dict[str, Probe] = {
    "gradients": Probe(signals.gradients),
    "activations": Probe(signals.activations),
    "receptive_field": Probe(receptive_field.measure),
    "gradient_noise": Probe(noise.gradient_noise),
    "flops": Probe(cost.flops),
    "memory": Probe(cost.memory),
    "effective_field": Probe(receptive_field.effective_field, "end"),
    "dead_units": Probe(signals.dead_units, "end"),
    "weight_norms": Probe(signals.weight_norms, "end"),
    "response_sd": Probe(signals.response_sd, "end"),
    "checkerboard": Probe(checkerboard.checkerboard, "end"),
    "filters": Probe(pictures.filters, "end"),
    "predictions": Probe(pictures.predictions, "test"),
    "boundary": Probe(plane.boundary, "end"),
    "warp": Probe(plane.warp, "end"),
    "fit": Probe(fit.fit, "end"),
    "by_hand": Probe(by_hand.by_hand),
    "averaging": Probe(inference.averaging, "test"),
    "lighting": Probe(inference.lighting, "test"),
    "perfect": Probe(inference.perfect, "test"),
    "linear_probes": Probe(hierarchy.linear_probes, "test"),
    "exemplars": Probe(hierarchy.exemplars, "test"),
    "minima": Probe(minima.minima, "test"),
}
OBSERVERS: dict[str, type[Observer]] = {"updates": Updates, "drift": Drift}
ROWS = 256


def parameters(network: nn.Module) -> dict[str, float]:
    """The number of trainable parameters."""
    return {"parameters": float(sum(p.numel() for p in network.parameters() if p.requires_grad))}


def moments(recipe: Recipe) -> set[Moment]:
    """When the recipe's measures are due."""
    return {MEASURES[name].when for name in recipe.probes if name in MEASURES}


def observers(recipe: Recipe) -> list[Observer]:
    """The recipe's observers, fresh."""
    return [OBSERVERS[name]() for name in recipe.probes if name in OBSERVERS]


def probe(recipe: Recipe, when: Moment, subject: Subject) -> Figures:
    """Every measure of the recipe that is due, each on a copy of the network; the random streams are left where they were."""
    figures: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for name in recipe.probes:
        if name not in MEASURES or MEASURES[name].when != when:
            continue
        with isolated(next(subject.network.parameters()).device):
            torch.manual_seed(0)
            found, by_layer = MEASURES[name].measure(
                dataclasses.replace(subject, network=copy.deepcopy(subject.network))
            )
        assert set(found) == set(PROBES[name]), (
            f"probe {name} announces {sorted(PROBES[name])} and gives {sorted(found)}"
        )
        figures |= found
        curves |= by_layer
    return figures, curves
