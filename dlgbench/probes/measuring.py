"""Carries out the probes of a recipe: what `train.py` needs of them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from dlgbench.errors import DlgbenchError
from dlgbench.probes.observers import Observer
from dlgbench.probes.subject import Measurement, Subject
from dlgbench.recipe import Recipe
from dlgbench.registry import PROBES, Moment
from dlgbench.streams import isolated, seed_global

UNCALLED = (  # hooks of a Lightning callback that the engine's own optimizer steps pass by
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
)
ROWS = 256  # of the training split, which probes before and after the training get


def parameters(network: nn.Module) -> dict[str, float]:
    """The number of trainable parameters, as a metric."""
    return {"parameters": float(sum(p.numel() for p in network.parameters() if p.requires_grad))}


def moments(recipe: Recipe) -> set[Moment]:
    """When the recipe's probes measure: some of "start", "end" and "test"."""
    return {PROBES[name].when for name in recipe.probes} - {"training"}


def observers(recipe: Recipe) -> list[Observer]:
    """A new observer for each probe of the recipe with `when="training"`.

    Raises:
        DlgbenchError: for one that is not a subclass of `Observer`.
    """
    return [_target(name)() for name in _due(recipe, "training")]


def summarize(recipe: Recipe, watching: Sequence[Observer]) -> dict[str, float]:
    """The metrics of the recipe's observers, after the training.

    Args:
        recipe: the recipe.
        watching: what `observers` gave for it.

    Raises:
        DlgbenchError: for other metrics than those that the registration announces.
    """
    metrics: dict[str, float] = {}
    for name, observer in zip(_due(recipe, "training"), watching, strict=True):
        metrics |= _checked(name, observer.summary()).metrics
    return metrics


def measure(recipe: Recipe, when: Moment, subject: Subject) -> Measurement:
    """What the recipe's probes measure at a moment, "start", "end" or "test".

    Each probe gets its own copy of the network and of the batch, and a random stream of its own
    with seed 0, so that neither the training nor another probe is changed. Arrays are kept where
    `subject.pictures` is set.

    Raises:
        DlgbenchError: for a probe that can't measure the subject, for one that returns something
            else than its registration announces, and for two probes that record the same name.
    """
    _check_announced(recipe)
    total = Measurement()
    for name in _due(recipe, when):
        probe = _target(name)
        device = next(subject.network.parameters()).device
        with isolated(device):
            seed_global(0, device)
            network, batch = copy.deepcopy(subject.network), subject.batch
            if batch is not None:
                batch = batch[0].clone(), batch[1].clone()  # the training goes on with the rows
            result = probe(dataclasses.replace(subject, network=network, batch=batch))
        measurement = _checked(name, result)
        try:
            total = total.merged(measurement)
        except DlgbenchError as error:
            raise DlgbenchError(f"probe {name}: {error}") from None
    return total if subject.pictures else dataclasses.replace(total, arrays={})


def _due(recipe: Recipe, when: Moment) -> list[str]:
    """The recipe's probes of a moment."""
    return [name for name in recipe.probes if PROBES[name].when == when]


def _target(name: str) -> Any:
    """A probe's function, or its subclass of Observer."""
    target, training = PROBES[name].make, PROBES[name].when == "training"
    observes = isinstance(target, type) and issubclass(target, Observer)
    if observes == training:
        own = [hook for hook in UNCALLED if training and _is_own(target, hook)]
        if own:
            wanted = "on_train_batch_start and on_train_batch_end, around the steps between two"
            raise DlgbenchError(
                f"probe {name}: expected hooks such as {wanted} evaluations, got {', '.join(own)}, "
                "which are never called"
            )
        return target
    expected = "a subclass of Observer" if training else "a function of a Subject"
    got = getattr(target, "__name__", target)
    raise DlgbenchError(f'probe {name}, when="{PROBES[name].when}": expected {expected}, got {got}')


def _is_own(target: type[Observer], hook: str) -> bool:
    return getattr(target, hook) is not getattr(Observer, hook)


def _check_announced(recipe: Recipe) -> None:
    """Refuses two probes of a recipe that announce the same metric."""
    owners: dict[str, str] = {}
    for name in recipe.probes:
        for metric in PROBES[name].metrics:
            if metric in owners:
                raise DlgbenchError(
                    f"probe {name}: expected a metric that no other probe of the recipe records, "
                    f"got {metric}, which probe {owners[metric]} records"
                )
            owners[metric] = name


def _checked(name: str, result: Any) -> Measurement:
    """What a probe returned, as a Measurement of numbers and arrays.

    Raises:
        DlgbenchError: where it is not what the registration announces, or not numbers.
    """
    if isinstance(result, Mapping):
        result = Measurement(dict(result))
    if not isinstance(result, Measurement):
        got = type(result).__name__
        raise DlgbenchError(f"probe {name}: expected a Measurement or a dict of metrics, got {got}")
    if set(result.metrics) != set(PROBES[name].metrics):
        expected, got = _listed(PROBES[name].metrics), _listed(result.metrics)
        raise DlgbenchError(f"probe {name}: expected metrics {expected}, got {got}")
    for array, values in result.arrays.items():
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
            got = getattr(values, "dtype", type(values).__name__)
            raise DlgbenchError(
                f"probe {name}: expected a numpy array of numbers for {array}, got {got}"
            )
    try:
        metrics = {metric: float(value) for metric, value in result.metrics.items()}
        curves = {
            curve: [float(value) for value in values] for curve, values in result.curves.items()
        }
    except (TypeError, ValueError, RuntimeError) as error:
        raise DlgbenchError(
            f"probe {name}: expected a number for each metric and a list of numbers for each "
            f"curve, got something else: {error}"
        ) from None
    return Measurement(metrics, curves, dict(result.arrays))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
