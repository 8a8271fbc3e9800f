"""What a run will cost, without training: cells, optimizer steps, operations, data, and the time.

The time of a cell is the mean of what the store knows of its ablation's arm at the scale. Without
such, it is a time for each step and one for each operation, fitted to what the store knows of other
arms on this device; and without any runs, a guess that is called one.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.optimize import nnls

from dlgbench.ablation import Ablation, Work
from dlgbench.data_table import sizes
from dlgbench.recipe import Recipe
from dlgbench.registry import DATA, MODELS

PASSES = 3  # a training step has the operations of three forward passes
GUESS = {  # seconds for a step, and for an operation: a core of 10 GFLOP/s, a GPU of 5 TFLOP/s
    "cpu": (1e-3, 1e-10),
    "gpu": (1e-3, 2e-13),
}
Known = Mapping[tuple[str, str, str], float]  # (ablation, scale, arm) -> seconds for a cell
Basis = Literal["measured", "fitted", "guessed"]


@dataclasses.dataclass(frozen=True)
class Arm:
    """An arm's share of a plan.

    Args:
        ablation, arm: which.
        cells: tuning and evaluation cells.
        steps: optimizer steps of one cell.
        operations: floating-point operations of one cell's training, two for a multiply-add;
            convolutions and matrix products alone. 0 for a user's own training code.
        data: the data sets, name to bytes.
        timing: whether the cells run alone on the machine.
        seconds: of one cell; None where nothing is known.
        basis: what the seconds rest on.
    """

    ablation: str
    arm: str
    cells: int
    steps: int
    operations: float
    data: Mapping[str, int]
    timing: bool
    seconds: float | None = None
    basis: Basis = "guessed"


def plan(ablations: Sequence[Ablation], scale: str, known: Known) -> list[Arm]:
    """The arms of the ablations at a scale, with the time that each will take.

    Args:
        ablations: whose cells are planned.
        scale: the scale.
        known: what the store knows of cells on this device.
    """
    arms = [_arm(ablation, arm, scale) for ablation in ablations for arm in ablation.arms_at(scale)]
    at = {(arm.ablation, arm.arm): known.get((arm.ablation, scale, arm.arm)) for arm in arms}
    rates = _fit([(arm, at[arm.ablation, arm.arm]) for arm in arms])
    basis: Basis = "fitted" if rates else "guessed"
    per_step, per_operation = rates or GUESS[scale]
    planned = []
    for arm in arms:
        measured = at[arm.ablation, arm.arm]
        if measured is not None:
            planned.append(dataclasses.replace(arm, seconds=measured, basis="measured"))
        elif arm.operations or not arm.steps:
            seconds = arm.steps * per_step + arm.operations * per_operation
            planned.append(dataclasses.replace(arm, seconds=seconds, basis=basis))
        else:
            planned.append(arm)
    return planned


def seconds(arms: Sequence[Arm], workers: int) -> float:
    """The time of a plan with so many workers; what measures time has the machine alone."""
    alone = sum(arm.cells * (arm.seconds or 0.0) for arm in arms if arm.timing)
    shared = sum(arm.cells * (arm.seconds or 0.0) for arm in arms if not arm.timing)
    return alone + shared / workers


def workers_here() -> int:
    """The workers of `-n auto` at scale cpu: the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _arm(ablation: Ablation, name: str, scale: str) -> Arm:
    work = ablation.arm(name, scale)
    tuning, evaluation = ablation.tuning(name, scale), ablation.evaluation(name, scale)
    return Arm(
        ablation.name,
        name,
        len(tuning) + len(evaluation),
        work.steps if isinstance(work, Recipe) else 1,
        _operations(work),
        {work.data: sizes(work.data).bytes} if work.data in DATA else {},
        timing=ablation.is_timed(name, scale),
    )


def _operations(work: Work) -> float:
    """The floating-point operations of a cell's training."""
    if not isinstance(work, Recipe) or not work.steps or work.data not in DATA:
        return 0.0
    of = sizes(work.data)
    args = dict(work.model_args)
    side = work.data_args.get("shrink", 1)
    shape = of.input_shape
    if len(shape) == 3 and side != 1:
        shape = (shape[0], shape[1] // side, shape[2] // side)
    for argument, value in (("input_shape", shape), ("num_classes", of.num_classes)):
        if MODELS[work.model].default(argument) is not None:
            args.setdefault(argument, value)
    rows = work.batch_size or min(of.pool, work.data_args.get("train") or of.pool)
    return PASSES * work.steps * rows * _forward(work.model, json.dumps(args), shape)


@functools.cache
def _forward(model: str, args: str, shape: tuple[int, ...]) -> float:
    """The operations of one example's forward pass; nothing is allocated."""
    import torch

    from dlgbench.models import create_model
    from dlgbench.probes.cost import flops
    from dlgbench.probes.subject import Subject

    with torch.device("meta"):
        network = create_model(model, **json.loads(args))
    return flops(Subject(network, shape)).metrics["flops"]


def _fit(arms: Sequence[tuple[Arm, float | None]]) -> tuple[float, float] | None:
    """Seconds for a step and for an operation, neither below 0; None where nothing is known.

    Relative errors count, so that a cell of a second is as good a witness as one of a minute.
    """
    seen = [(arm, took) for arm, took in arms if took and arm.operations]
    if not seen:
        return None
    took = np.array([each for _, each in seen])
    table = np.array([[arm.steps, arm.operations] for arm, _ in seen]) / took[:, None]
    scale = table.max(axis=0)
    found = nnls(table / scale, np.ones(len(seen)))[0] / scale
    return float(found[0]), float(found[1])
