"""What the report knows of one ablation: its runs at one scale, and the verdicts on them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from dlgbench.ablation import Ablation, Cell, Run, Work
from dlgbench.claim import Bounds, Claim, Verdict
from dlgbench.discovery import find_root
from dlgbench.errors import DlgbenchError
from dlgbench.judging import judge_runs, readings
from dlgbench.reports import words
from dlgbench.stats import effects
from dlgbench.tracking import SUMMARY, Store, to_frame

FULLEST = ("paper", "gpu", "cpu")  # smoke is plumbing and has no place in a report


@dataclasses.dataclass(frozen=True)
class Study:
    """One ablation at one scale, with the runs that the store has of it (perhaps none)."""

    ablation: Ablation
    scale: str
    runs: Mapping[Cell, Run]

    @functools.cached_property
    def evaluations(self) -> dict[Cell, Run]:
        """The evaluation runs that finished. A diverged run has no number to draw."""
        return {
            cell: run
            for cell, run in self.runs.items()
            if cell.purpose == "evaluate" and run.status == "finished"
        }

    @functools.cached_property
    def frame(self) -> pd.DataFrame:
        """The evaluation runs that finished, as a long DataFrame (`dlgbench.tracking.to_frame`)."""
        return to_frame(self.evaluations)

    @functools.cached_property
    def verdicts(self) -> dict[Claim, Verdict]:
        """The verdict on each claim that has paired runs; the others were not run."""
        judged = judge_runs(self.ablation, self.scale, self.runs)
        return {claim: verdict for claim, verdict in judged.items() if verdict.n}

    def seed_effects(self, claim: Claim) -> dict[int, Bounds]:
        """What each seed's runs say of the claim's effect.

        (x, x) where it was measured, a wider interval where a run was censored or diverged.
        """
        return effects(claim, readings(self.runs))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms of the scale, in the order of the declaration."""
        listed = self.ablation.arms_at(self.scale)
        return tuple(arm for arm in self.ablation.arms if arm in listed)

    @functools.cached_property
    def works(self) -> dict[str, Work]:
        """Arm -> what it runs at the scale: a recipe, or a training function of the user's own."""
        return {arm: self.ablation.arm(arm, self.scale) for arm in self.arms}

    def compared(self, metric: str | None = None) -> list[set[str]]:
        """For each claim of the scale the arms that it reads: any metric of theirs, or this one."""
        claims = self.ablation.claims_at(self.scale)
        return [
            {arm for name, arm in claim.effect.needs if metric in (None, name)} for claim in claims
        ]

    @property
    def slug(self) -> str:
        """The ablation's name as one word, for anchors."""
        return self.ablation.name.replace("/", "-")

    @property
    def folder(self) -> str:
        """The folder of the ablation, which is a part of the lecture; empty where it is in none."""
        folder = PurePosixPath(self.ablation.name).parent.as_posix()
        return "" if folder == "." else folder

    @property
    def data(self) -> tuple[str, ...]:
        """The data sets that the arms are trained on; none where they name none."""
        return tuple(dict.fromkeys(work.data for work in self.works.values() if work.data))

    @functools.cached_property
    def _by_metric(self) -> dict[str, pd.DataFrame]:
        return {str(name): rows for name, rows in self.frame.groupby("metric", sort=False)}

    def _rows(self, metric: str) -> pd.DataFrame:
        return self._by_metric.get(metric, self.frame.iloc[:0])

    @property
    def histories(self) -> list[str]:
        """The names that have a curve: by optimizer steps, or what a probe measured by layers."""
        return [name for name, rows in self._by_metric.items() if (rows["step"] != SUMMARY).any()]

    def history(self, name: str) -> pd.DataFrame:
        """A curve in each finished evaluation run.

        Columns: `metric`, `arm`, `seed`, `step`, `value`.
        """
        rows = self._rows(name)
        return rows.loc[rows["step"] != SUMMARY, ["metric", "arm", "seed", "step", "value"]]

    def values(self, metric: str) -> pd.DataFrame:
        """A metric's final value in each finished evaluation run.

        Columns: `metric`, `arm`, `seed`, `value`.
        """
        rows = self._rows(metric)
        rows = rows.loc[rows["step"] == SUMMARY, ["metric", "arm", "seed", "value"]]
        return rows.reset_index(drop=True)

    def mean(self, metric: str, arm: str) -> float:
        """Mean over the seeds of a final value; nan where there is none."""
        values = self.values(metric)
        return float(values.loc[values["arm"] == arm, "value"].mean())

    def curve(self, metric: str) -> dict[str, np.ndarray]:
        """The curve of a metric in the first seed that has one: arm -> its values in order."""
        points = self.history(metric)
        points = points[points["seed"] == points["seed"].min()].sort_values("step")
        curves = {arm: points.loc[points["arm"] == arm, "value"].to_numpy() for arm in self.arms}
        return {arm: values for arm, values in curves.items() if len(values)}

    def array(self, name: str) -> dict[str, np.ndarray]:
        """A picture or grid of the first evaluation seed: arm -> array, where it was recorded."""
        arrays: dict[str, np.ndarray] = {}
        for cell, run in sorted(self.evaluations.items(), key=lambda entry: entry[0].seed):
            if name in run.arrays:
                arrays.setdefault(cell.arm, run.arrays[name])
        return {arm: arrays[arm] for arm in self.arms if arm in arrays}

    def diverged(self, purpose: str = "evaluate") -> list[str]:
        """The arms of the runs of a purpose that diverged, one entry a run."""
        return [
            cell.arm
            for cell, run in self.runs.items()
            if run.status == "diverged" and cell.purpose == purpose
        ]


def varying(works: Mapping[str, Work]) -> dict[str, dict[str, str]]:
    """The fields of recipes or configs in which arms differ: field -> arm -> value as text.

    What an arm leaves to its model, data or optimizer is `default`.
    """
    flat = {arm: work.flat() for arm, work in works.items()}
    fields = dict.fromkeys(field for values in flat.values() for field in values)
    table = {
        field: {
            arm: words.setting(or_default(field, values.get(field))) for arm, values in flat.items()
        }
        for field in fields
    }
    return {field: values for field, values in table.items() if len(set(values.values())) > 1}


def or_default(field: str, value: object) -> object:
    """A field's value, or `default` where it is left to a model, data set or optimizer."""
    is_left = value is None and (field == "init" or "_args." in field)
    return "default" if is_left else value


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
    sources = [run.provenance for run in runs]
    versions = dict.fromkeys(
        (key.removeprefix("version."), text)
        for source in sources
        for key, text in source.items()
        if key.startswith("version.")
    )
    days = sorted(
        dt.datetime.fromtimestamp(float(source["started"]), dt.UTC).date().isoformat()
        for source in sources
        if "started" in source
    )
    return Origin(
        devices=tuple(dict.fromkeys(source["device"] for source in sources if "device" in source)),
        versions=tuple(f"{name} {text}" for name, text in versions),
        commits=tuple(dict.fromkeys(source["git"] for source in sources if "git" in source)),
        dates=tuple(dict.fromkeys((days[0], days[-1]))) if days else (),
        finished=sum(run.status == "finished" for run in runs),
        diverged=sum(run.status == "diverged" for run in runs),
        seconds=sum(float(source.get("wall", 0)) for source in sources),
    )


def gather(ablations: Iterable[Ablation], store: Store, scale: str | None) -> list[Study]:
    """A study for every ablation, without curves and arrays (`with_curves`).

    With `scale=None` each has the fullest scale that has runs.

    Raises:
        DlgbenchError: where the store is out of reach, or has no runs of any of the ablations.
    """
    studies = [_study(ablation, store, (scale,) if scale else FULLEST) for ablation in ablations]
    if not any(study.runs for study in studies):
        scales = f"scale {scale}" if scale else f"scale {' or '.join(FULLEST)}"
        raise DlgbenchError(
            f"report: expected runs at {scales} of {len(studies)} ablations, got none from "
            f"{store.uri}; run them first: {_run()} --scale {scale or 'cpu'}"
        )
    return studies


def _study(ablation: Ablation, store: Store, scales: Sequence[str]) -> Study:
    for scale in scales:
        if runs := store.runs(ablation, scale):
            break
    return Study(ablation, scale, runs)


def command(study: Study, options: str = "") -> str:
    """The command that runs an ablation again, here."""
    name, file = study.ablation.name.rpartition("/")[2], study.ablation.file
    which = f"{options}-k {name}" if _has_nox() else f"{file} {options}".strip()
    return f"{_run()} {which} --scale {study.scale}"


def _run() -> str:
    return "nox -s ablations --" if _has_nox() else "dlgbench run"


def _has_nox() -> bool:
    """Whether this is a repository with a nox session for ablations, as dlgbench's own is."""
    file = find_root(Path.cwd()) / "noxfile.py"
    return file.is_file() and "def ablations(" in file.read_text(encoding="utf-8")


def with_curves(study: Study, store: Store) -> Study:
    """The study with the learning curves and arrays of its evaluations, as figures need them."""
    runs = store.runs(study.ablation, study.scale, history=True)
    return dataclasses.replace(study, runs=runs)
