"""What a run will cost, without training: cells, optimizer steps, operations, data, and the time.

The time of a cell is the mean of what the store knows of its ablation's arm at the scale. Without
such, it is a time for each step and one for each operation, fitted to what the store knows of other
arms on this device; and without any runs, a guess that is called one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from dlgbench import devices, words
from dlgbench.ablation import Ablation, Work
from dlgbench.data_table import sizes
from dlgbench.recipe import Recipe
from dlgbench.registry import DATA, MODELS

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dlgbench"
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
        engine: the engine that trains it; empty for a user's own training code.
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
    engine: str
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
    counted = _Counted(CACHE / "operations.json")
    arms = [
        _arm(ablation, arm, scale, counted)
        for ablation in ablations
        for arm in ablation.arms_at(scale)
    ]
    counted.save()
    at = {(arm.ablation, arm.arm): known.get((arm.ablation, scale, arm.arm)) for arm in arms}
    rates = {
        engine: _fit([(arm, at[arm.ablation, arm.arm]) for arm in arms if arm.engine == engine])
        for engine in {arm.engine for arm in arms}
    }
    planned = []
    for arm in arms:
        measured = at[arm.ablation, arm.arm]
        if measured is not None:
            planned.append(dataclasses.replace(arm, seconds=measured, basis="measured"))
        elif arm.operations or not arm.steps:
            per_step, per_operation = rates[arm.engine] or GUESS[scale]
            basis: Basis = "fitted" if rates[arm.engine] else "guessed"
            seconds = arm.steps * per_step + arm.operations * per_operation
            planned.append(dataclasses.replace(arm, seconds=seconds, basis=basis))
        else:
            planned.append(arm)
    return planned


@dataclasses.dataclass(frozen=True)
class Totals:
    """The sums of a plan: cells, optimizer steps, operations, bytes of data, core-seconds."""

    cells: int
    steps: int
    operations: float
    bytes: int
    seconds: float


def totals(arms: Sequence[Arm]) -> Totals:
    """The sums over arms; a data set counts once."""
    data = {name: size for arm in arms for name, size in arm.data.items()}
    return Totals(
        sum(arm.cells for arm in arms),
        sum(arm.cells * arm.steps for arm in arms),
        sum(arm.cells * arm.operations for arm in arms),
        sum(data.values()),
        sum(arm.cells * (arm.seconds or 0.0) for arm in arms),
    )


def summary(arms: Sequence[Arm], scale: str, workers: int | None = None) -> str:
    """`7,266 cells at scale cpu, 3.3 million steps: about 34 min with 2 workers (measured 40 %)`.

    That is the time of a session that finds nothing in the store.
    """
    workers = workers or devices.cores()
    sums, guess = totals(arms), totals([arm for arm in arms if arm.basis == "guessed"])
    known = totals([arm for arm in arms if arm.basis == "measured"])
    share = known.seconds / sums.seconds if sums.seconds else 0.0
    basis = f"{share:.0%} of it as the store has measured here"
    if guess.seconds > 0.1 * sums.seconds:
        basis = "a guess: the store has no such runs of this device"
    took = words.span(_wall(arms, workers))
    who = f"{workers} worker{'s' * (workers != 1)}"
    cells = f"{sums.cells:,} cells at scale {scale}, {sums.steps:,} steps"
    unknown = len({arm.ablation for arm in arms if arm.seconds is None})
    left = f"; without {unknown} of unknown cost" if unknown else ""
    return f"{cells}: about {took} with {who} ({basis}{left})"


def _wall(arms: Sequence[Arm], workers: int) -> float:
    """The time of a plan with so many workers; what measures time has the machine alone."""
    alone = totals([arm for arm in arms if arm.timing]).seconds
    return alone + totals([arm for arm in arms if not arm.timing]).seconds / workers


def _arm(ablation: Ablation, name: str, scale: str, counted: _Counted) -> Arm:
    work = ablation.arm(name, scale)
    tuning, evaluation = ablation.tuning(name, scale), ablation.evaluation(name, scale)
    return Arm(
        ablation.name,
        name,
        len(tuning) + len(evaluation),
        work.steps if isinstance(work, Recipe) else 1,
        _operations(work, counted),
        {work.data: sizes(work.data).bytes} if work.data and work.data in DATA else {},
        engine=evaluation[0].engine if isinstance(work, Recipe) else "",
        timing=ablation.is_timed(name, scale),
    )


def _operations(work: Work, counted: _Counted) -> float:
    """The floating-point operations of a cell's training."""
    if not isinstance(work, Recipe) or not work.steps or not work.data or work.data not in DATA:
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
    return PASSES * work.steps * rows * counted.forward(work.model, args, shape)


class _Counted:
    """The operations of forward passes, which are counted once and remembered in a file."""

    def __init__(self, file: Path) -> None:
        self.file, self._is_new = file, False
        with contextlib.suppress(OSError, ValueError):
            self._known: dict[str, float] = json.loads(file.read_text())
            return
        self._known = {}

    def forward(self, model: str, args: Mapping[str, Any], shape: tuple[int, ...]) -> float:
        """The floating-point operations of one example's forward pass; 0 where none can count."""
        written = MODELS[model].source.stat().st_mtime_ns
        key = json.dumps([model, written, sorted(args.items()), shape])
        if key not in self._known:
            try:
                counted = _count(model, args, shape)
            except Exception:  # noqa: BLE001  (a user's model may refuse torch's meta device)
                return 0.0  # a plan only estimates: it never stops a run
            self._known[key], self._is_new = counted, True
        return self._known[key]

    def save(self) -> None:
        """Remembers what is new, where the file can be written."""
        if self._is_new:
            with contextlib.suppress(OSError):
                self.file.parent.mkdir(parents=True, exist_ok=True)
                draft = self.file.with_suffix(f".{os.getpid()}")
                draft.write_text(json.dumps(self._known))
                draft.replace(self.file)


def _count(model: str, args: Mapping[str, Any], shape: tuple[int, ...]) -> float:
    """They are counted on torch's meta device: nothing is allocated."""
    import torch

    from dlgbench.models import create_model
    from dlgbench.probes.cost import flops
    from dlgbench.probes.subject import Subject

    with torch.device("meta"):
        network = create_model(model, **args)
    return flops(Subject(network, shape)).metrics["flops"]


def _fit(arms: Sequence[tuple[Arm, float | None]]) -> tuple[float, float] | None:
    """Seconds for a step and for an operation, neither below 0; None where nothing is known.

    Relative errors count, so that a cell of a second is as good a witness as one of a minute.
    """
    seen = [(arm, took) for arm, took in arms if took and arm.operations]
    if not seen:
        return None
    import numpy as np
    from scipy.optimize import nnls

    took = np.array([each for _, each in seen])
    table = np.array([[arm.steps, arm.operations] for arm, _ in seen]) / took[:, None]
    scale = table.max(axis=0)
    found = nnls(table / scale, np.ones(len(seen)))[0] / scale
    return float(found[0]), float(found[1])
