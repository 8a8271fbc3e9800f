"""What the report knows of one ablation: its runs at one scale, and the verdicts on them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Bounds, Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.judging import judge_runs, readings
from dlgbench.stats import effects
from dlgbench.tracking import Store, to_frame

FULLEST = ("gpu", "cpu")  # smoke is plumbing and has no place in a report


@dataclasses.dataclass(frozen=True)
class Study:
    """One ablation at one scale, with the runs that the store has of it (perhaps none)."""

    ablation: Ablation
    scale: str
    runs: Mapping[Cell, Run]

    @functools.cached_property
    def frame(self) -> pd.DataFrame:
        """The evaluation runs that finished, as a long DataFrame. A diverged run has no figure to draw."""
        return to_frame(
            {
                cell: run
                for cell, run in self.runs.items()
                if cell.purpose == "evaluate" and run.status == "finished"
            }
        )

    @functools.cached_property
    def verdicts(self) -> dict[Claim, Verdict]:
        """The verdict on each claim that has paired runs; the others were not run."""
        return {
            claim: verdict
            for claim, verdict in judge_runs(self.ablation, self.scale, self.runs).items()
            if verdict.n
        }

    def seed_effects(self, claim: Claim) -> dict[int, Bounds]:
        """What each seed tells of the claim's effect: (x, x) where it was measured, a wider interval where a run was censored or diverged."""
        return effects(claim, readings(self.runs))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms of the scale, in the order of the declaration."""
        listed = self.ablation.arms_at(self.scale)
        return tuple(arm for arm in self.ablation.arms if arm in listed)

    @property
    def slug(self) -> str:
        """The ablation's name as one word, for anchors."""
        return self.ablation.name.replace("/", "-")

    @property
    def data(self) -> str:
        """The data sets that the arms are trained on."""
        names = dict.fromkeys(
            self.ablation.arm(arm, self.scale).data or "none" for arm in self.arms
        )
        return ", ".join(names)

    def picture(self, metric: str) -> dict[str, np.ndarray]:
        """The curve of a metric that only the first seed records, for it serves to be drawn: arm -> its values in order."""
        points = self.frame[(self.frame["metric"] == metric) & (self.frame["step"] > 0)]
        points = points[points["seed"] == points["seed"].min()]
        found = {
            arm: points[points["arm"] == arm].sort_values("step")["value"].to_numpy()
            for arm in self.arms
        }
        return {arm: values for arm, values in found.items() if len(values)}

    def figures(self, metric: str) -> pd.DataFrame:
        """A metric's final figure of each finished evaluation run, with the columns `metric`, `arm`, `seed`, `value`."""
        points = self.frame[(self.frame["metric"] == metric) & (self.frame["step"] == 0)]
        return points[["metric", "arm", "seed", "value"]].reset_index(drop=True)

    def mean(self, metric: str, arm: str) -> float:
        """Mean over the seeds of a final figure; nan where there is none."""
        found = self.figures(metric)
        return float(found.loc[found["arm"] == arm, "value"].mean())

    def diverged(self, purpose: str = "evaluate") -> list[str]:
        """The arms of the runs of a purpose that diverged, one entry a run."""
        return [
            cell.arm
            for cell, run in self.runs.items()
            if run.status == "diverged" and cell.purpose == purpose
        ]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where runs came from: every device, version and commit that took part, and what they cost."""

    devices: tuple[str, ...]
    versions: tuple[str, ...]
    commits: tuple[str, ...]
    dates: tuple[str, ...]
    finished: int
    diverged: int
    seconds: float


def origin(runs: Sequence[Run]) -> Origin:
    """The provenance of runs, summed up."""
    found = [run.provenance for run in runs]
    versions = dict.fromkeys(
        (key.removeprefix("version."), text)
        for about in found
        for key, text in about.items()
        if key.startswith("version.")
    )
    days = sorted(
        dt.datetime.fromtimestamp(float(about["started"]), dt.UTC).date().isoformat()
        for about in found
        if "started" in about
    )
    return Origin(
        devices=tuple(dict.fromkeys(about["device"] for about in found if "device" in about)),
        versions=tuple(f"{name} {text}" for name, text in versions),
        commits=tuple(dict.fromkeys(about["git"] for about in found if "git" in about)),
        dates=tuple(dict.fromkeys((days[0], days[-1]))) if days else (),
        finished=sum(run.status == "finished" for run in runs),
        diverged=sum(run.status == "diverged" for run in runs),
        seconds=sum(float(about.get("wall", 0)) for about in found),
    )


def gather(ablations: Sequence[Ablation], store: Store, scale: str | None) -> list[Study]:
    """A study for every ablation. With `scale=None` each has the fullest scale that has runs.

    Raises:
        DlgbenchError: where the store is out of reach, or has no runs of any of the ablations.
    """
    studies = [_study(ablation, store, (scale,) if scale else FULLEST) for ablation in ablations]
    if not any(study.runs for study in studies):
        wanted = f"scale {scale}" if scale else f"scale {' or '.join(FULLEST)}"
        command = f"nox -s ablations -- --scale {scale or 'cpu'}"
        raise DlgbenchError(
            f"nothing to report: {store.uri} has no runs at {wanted} of the {len(studies)} ablations asked for; run them first: {command}"
        )
    return studies


def _study(ablation: Ablation, store: Store, scales: Sequence[str]) -> Study:
    for scale in scales:
        if runs := store.runs(ablation, scale, history=True):
            break
    return Study(ablation, scale, runs)
