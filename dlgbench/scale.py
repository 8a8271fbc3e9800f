"""A scale: the size at which an ablation runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.recipe import frozen

OWN = ("seeds", "tuning_seeds", "precision", "arms")  # what an ablation may set beside its work
PRECISIONS = ("32", "tf32", "bf16")
TUNING_SEED = 1000  # the first tuning seed; evaluation seeds start at 0 and never reach it


@dataclasses.dataclass(frozen=True)
class Scale:
    """The size of an ablation at one scale.

    Args:
        name: `smoke` (plumbing: seconds, no verdict), `cpu` (2 cores, real verdicts), `gpu` (real
            data and networks at full size, an hour of one H100 for the catalogue), `paper` (the
            papers' own budgets, never chosen by itself). `docs/scales.md` has the numbers.
        seeds: evaluation seeds 0, 1, ..., the same for every arm.
        tuning_seeds: seeds 1000, 1001, ... on which the grid is tried.
        precision: `32`, `tf32` (float32 with TF32 matrix products) or `bf16` (autocast to
            bfloat16).
        changes: what the scale changes in the work of every arm, with dotted names.
        arms: the arms that run at this scale; () for all.
        grid_points: how many settings of each arm's grid are tried at most; None for all.
        cut: what reduces every arm, after the arm's own changes; only `smoke` has one.
        cuda: whether it runs on CUDA, and nowhere else.
    """

    name: str
    seeds: int = 10
    tuning_seeds: int = 2
    precision: str = "32"
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    arms: tuple[str, ...] = ()
    grid_points: int | None = None
    cut: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cuda: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "changes", frozen(self.changes))
        object.__setattr__(self, "cut", frozen(self.cut))
        for name in ("seeds", "tuning_seeds"):
            came = getattr(self, name)
            if type(came) is not int or not 1 <= came < TUNING_SEED:
                wanted = f"a whole number from 1 to {TUNING_SEED - 1}"
                raise DlgbenchError(f"scale {self.name}: {name}: expected {wanted}, got {came!r}")
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS, f"scale {self.name}")

    def override(self, settings: Mapping[str, Any]) -> Scale:
        """A copy with the settings of an ablation.

        `{"seeds": 5, "steps": 300}` sets a field of the scale and changes one of the work.
        """
        own = {name: settings[name] for name in OWN if name in settings}
        changes = {name: value for name, value in settings.items() if name not in own}
        return dataclasses.replace(self, changes={**self.changes, **changes}, **own)

    def smoke(self, cut: Mapping[str, Any]) -> Scale:
        """The scale reduced to a few seconds, which only shows that everything runs."""
        smoke = SCALES["smoke"]
        seeds = min(smoke.seeds, self.seeds)
        return dataclasses.replace(
            smoke, seeds=seeds, changes=self.changes, arms=self.arms, cut=cut
        )


SCALES = {
    "smoke": Scale(
        "smoke",
        seeds=2,
        tuning_seeds=1,
        grid_points=1,
        cut={"steps": 4, "evaluations": 1, "data_args.train": 200, "data_args.val": 100},
    ),
    "cpu": Scale("cpu"),
    "gpu": Scale("gpu", precision="tf32", cuda=True),
    "paper": Scale("paper", precision="tf32", cuda=True),
}
JUDGED = ("cpu", "gpu", "paper")  # the scales with verdicts
