"""What a run will cost, without training: cells, optimizer steps, operations, data, and the time.

The time of a cell is the mean of what the store knows of its ablation's arm at the scale. Without
such, it is fitted to what the store knows of other arms on this device: so much for a cell, a step
(on a GPU, a kernel), an operation and a byte. Without any runs it is a guess, and called one.
`docs/scales.md` tells what it assumes of a GPU, and how far off it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from dlgbench import devices, words
from dlgbench.ablation import Ablation, Cell, Work
from dlgbench.data_table import Sizes, sizes
from dlgbench.grouping import most
from dlgbench.operations import NOTHING, Cost, forward
from dlgbench.recipe import Recipe
from dlgbench.registry import DATA
from dlgbench.scale import SCALES

if TYPE_CHECKING:
    import numpy as np

PASSES = 3  # a training step has the operations, kernels and outputs of three forward passes
OTHER_KERNELS = 40  # of a step: the minibatch, the loss, the optimizer over all parameters at once
TOUCHES = 10  # of a weight in a step: read forwards and backwards, its gradient, Adam's two states

# A core, between those that the catalogue was timed on; an H100 (SXM5, NVIDIA's data sheet) that
# eight workers share
CPU_KERNEL, CPU_OPERATION = 2e-5, 8e-11  # seconds
CPU_CELL, CPU_PROBES = 0.05, 0.5  # seconds for the rest of a cell; for one that is only probed
H100_OPERATIONS = {"32": 0.25 * 67e12, "tf32": 0.25 * 494e12, "bf16": 0.25 * 989e12}  # per second
H100_BYTES = 0.6 * 3.35e12  # per second
H100_KERNEL = 5e-6  # seconds from Python, by one worker
H100_CELL = 0.25  # seconds for the rest of a cell: its data, network, probes, and the store
Known = Mapping[tuple[str, str, str], float]  # (ablation, scale, arm) -> seconds for a cell
Basis = Literal["measured", "fitted", "guessed"]


@dataclasses.dataclass(frozen=True)
class Arm:
    """An arm's share of a plan.

    Args:
        ablation, arm: which.
        cells: tuning and evaluation cells.
        steps: optimizer steps of one cell.
        operations: floating-point operations of one cell, two for a multiply-add; convolutions and
            matrix products alone. 0 for a user's own training code.
        kernels: what one cell sends to the device, its share where lanes are trained together.
        moved: bytes that one cell reads and writes: outputs of layers, and weights.
        data: the data sets, name to bytes.
        precision: of its cells.
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
    kernels: float
    moved: float
    data: Mapping[str, int]
    precision: str
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
    arms = [_arm(ablation, arm, scale) for ablation in ablations for arm in ablation.arms_at(scale)]
    at = {(arm.ablation, arm.arm): known.get((arm.ablation, scale, arm.arm)) for arm in arms}
    cuda = SCALES[scale].cuda
    rates = {
        engine: _fit(
            [(arm, at[arm.ablation, arm.arm]) for arm in arms if arm.engine == engine], cuda=cuda
        )
        for engine in {arm.engine for arm in arms}
    }
    planned = []
    for arm in arms:
        measured, fitted = at[arm.ablation, arm.arm], rates[arm.engine]
        if measured is not None:
            planned.append(dataclasses.replace(arm, seconds=measured, basis="measured"))
        elif arm.kernels or not arm.steps:
            guess = _on_an_h100 if cuda else _on_a_core
            seconds = guess(arm) if fitted is None else float(_terms(arm, cuda=cuda) @ fitted)
            basis: Basis = "guessed" if fitted is None else "fitted"
            planned.append(dataclasses.replace(arm, seconds=seconds, basis=basis))
        else:
            planned.append(arm)
    return planned


def _on_a_core(arm: Arm) -> float:
    if not arm.kernels:
        return CPU_PROBES
    return CPU_CELL + arm.kernels * CPU_KERNEL + arm.operations * CPU_OPERATION


def _on_an_h100(arm: Arm) -> float:
    """Seconds of a cell beside others: its worker is busy, or waits for the GPU that all share."""
    device = max(arm.operations / H100_OPERATIONS[arm.precision], arm.moved / H100_BYTES)
    sharing = 1 if arm.timing else devices.MOST_SHARING
    return H100_CELL + max(arm.kernels * H100_KERNEL, sharing * device)


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
    cuda = SCALES[scale].cuda
    workers = workers or (devices.MOST_SHARING if cuda else devices.cores())
    sums, guess = totals(arms), totals([arm for arm in arms if arm.basis == "guessed"])
    known = totals([arm for arm in arms if arm.basis == "measured"])
    share = known.seconds / sums.seconds if sums.seconds else 0.0
    basis = f"{share:.0%} of it as the store has measured here"
    if guess.seconds > 0.1 * sums.seconds:
        where = "an estimate for an H100, see docs/scales.md" if cuda else "a guess"
        basis = f"{where}: the store has no such runs of this device"
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


def _arm(ablation: Ablation, name: str, scale: str) -> Arm:
    work = ablation.arm(name, scale)
    tuning, evaluation = ablation.tuning(name, scale), ablation.evaluation(name, scale)
    has_data = bool(work.data and work.data in DATA)
    arm = Arm(
        ablation.name,
        name,
        len(tuning) + len(evaluation),
        work.steps if isinstance(work, Recipe) else 1,
        operations=0.0,
        kernels=0.0,
        moved=0.0,
        data={str(work.data): sizes(str(work.data)).bytes} if has_data else {},
        precision=evaluation[0].precision,
        engine=evaluation[0].engine if isinstance(work, Recipe) else "",
        timing=ablation.is_timed(name, scale),
    )
    cost = forward(work) if isinstance(work, Recipe) and work.steps else NOTHING
    return _with_cost(arm, work, cost, tuning, evaluation) if cost.kernels else arm


def _with_cost(
    arm: Arm, work: Work, cost: Cost, tuning: Sequence[Cell], evaluation: Sequence[Cell]
) -> Arm:
    """The arm with what its cells take, given its network's forward pass."""
    assert isinstance(work, Recipe)
    of = sizes(str(work.data))
    trained, tested = work.steps * work.batch_size, of.test * len(evaluation) / arm.cells
    rows = PASSES * trained + _evaluated(work, of) + tested
    lanes = most(evaluation[0])
    stacks = sum(-(-len(cells) // lanes) for cells in (tuning, evaluation))
    output = 2 if arm.precision == "bf16" else 4  # bytes; weights are float32 in any case
    return dataclasses.replace(
        arm,
        operations=rows * cost.flops,
        kernels=work.steps * (PASSES * cost.kernels + OTHER_KERNELS) * stacks / arm.cells,
        moved=2.0 * output * rows * cost.outputs + 4.0 * TOUCHES * work.steps * cost.parameters,
    )


def _evaluated(work: Recipe, of: Sizes) -> int:
    """Rows that a cell passes forwards alone: the validation split each time, training once."""
    val = work.data_args.get("val") or min(of.pool // 5, 10_000)
    return work.evaluations * val + (work.data_args.get("train") or of.pool - val)


def _terms(arm: Arm, *, cuda: bool) -> np.ndarray:
    """What takes time in a cell, for a fit.

    On a GPU that is each kernel, which lanes share. On a core they share little.
    """
    import numpy as np

    return np.array([arm.kernels if cuda else arm.steps, arm.operations, arm.moved, 1.0])


def _fit(arms: Sequence[tuple[Arm, float | None]], *, cuda: bool) -> np.ndarray | None:
    """Seconds for each of the terms, none below 0; None where nothing is known.

    Relative errors count, so that a cell of a second is as good a witness as one of a minute.
    """
    seen = [(arm, took) for arm, took in arms if took and arm.kernels]
    if not seen:
        return None
    import numpy as np
    from scipy.optimize import nnls

    table = np.array([_terms(arm, cuda=cuda) / took for arm, took in seen])
    scale = table.max(axis=0)
    return nnls(table / scale, np.ones(len(seen)))[0] / scale
