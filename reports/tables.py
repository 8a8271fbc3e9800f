"""The tables: claims, arms, tuning. As rows for the page and as DataFrames for CSV."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from dlgbench.claim import Claim, Verdict
from dlgbench.judging import choose, edge, score
from dlgbench.recipe import Recipe, plain
from dlgbench.reports import style, words
from dlgbench.reports.study import Study, varying
from dlgbench.stats import enough

# claims -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ClaimRow:
    """A claim as the page shows it."""

    claim: Claim
    slide: str
    verdict: str
    symbol: str
    expectation: str
    expected: bool
    effect: str = ""
    interval: str = ""
    level: str = ""
    p: str = ""
    n: int = 0
    note: str = ""


def claim_row(study: Study, claim: Claim) -> ClaimRow:
    """The row of a claim; one without paired runs is `not run`."""
    verdict = study.verdicts.get(claim)
    row = ClaimRow(
        claim=claim,
        slide=claim.slide or study.ablation.slide,
        verdict=verdict.verdict if verdict else "not run",
        symbol=style.SYMBOLS[verdict.verdict if verdict else "not run"],
        expectation=words.expectation(claim, verdict),
        expected=verdict is None or verdict.passes(claim),
    )
    if verdict is None:
        scales = [
            scale
            for scale in study.ablation.scales or ()
            if claim in study.ablation.claims_at(scale)
        ]
        where = f"its arms run at scale {' and '.join(scales)}"
        return dataclasses.replace(row, note="" if study.scale in scales else where)
    effect, interval = words.found(verdict, claim.effect.scale)
    remark = words.fragile(verdict.fragile) or words.undecided(enough(verdict, claim.threshold))
    level = f"{100 * verdict.level:.3g}\u00a0%"
    if verdict.method == "exact":
        level = "range over the seeds"
    return dataclasses.replace(
        row,
        effect=effect,
        interval=interval,
        level=level if interval else "",
        p=words.p_value(verdict.p),
        n=verdict.n,
        note="; ".join(filter(None, (verdict.note, remark))),
    )


def claims_frame(studies: Sequence[Study]) -> pd.DataFrame:
    """All claims with their verdicts, in full precision, for CSV."""
    return pd.DataFrame(
        [
            _record(study, claim, study.verdicts.get(claim))
            for study in studies
            for claim in study.ablation.claims
        ]
    )


def _record(study: Study, claim: Claim, verdict: Verdict | None) -> dict[str, Any]:
    about = {
        "ablation": study.ablation.name,
        "scale": study.scale,
        "claim": claim.statement,
        "slide": claim.slide or study.ablation.slide,
        "expect": claim.expect,
        "verdict": verdict.verdict if verdict else "not run",
        "formula": claim.effect.formula,
        "wanted": str(claim.threshold),
        "published": claim.published,
        "source": claim.source,
    }
    if verdict is None:
        return about
    low, high = verdict.interval
    return {
        **about,
        "effect": verdict.effect,
        "low": low,
        "high": high,
        "level": verdict.level,
        "p": verdict.p,
        "n": verdict.n,
        "method": verdict.method,
        "fragile": verdict.fragile,
        "enough": enough(verdict, claim.threshold),
    }


# arms -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Arms:
    """The arms as differences from the base.

    Args:
        base: the fields of the base recipe, or of the config of a training function.
        scale: what the scale changes in it.
        fields: the fields that any arm changes.
        rows: each arm's values of them; empty where it has the base's.
        other_scales: the arms that run at other scales only.
    """

    base: dict[str, str]
    scale: dict[str, str]
    fields: tuple[str, ...]
    rows: dict[str, list[str]]
    other_scales: tuple[str, ...]


def arms(study: Study) -> Arms:
    """What the base is, what the scale changes, and what each arm changes."""
    ablation = study.ablation
    changes = {arm: ablation.arms[arm] for arm in study.arms}
    fields = tuple(dict.fromkeys(field for changed in changes.values() for field in changed))
    base = ablation.work.flat()
    if isinstance(ablation.work, Recipe):  # whose fields are known, and mostly not in use
        base = {field: value for field, value in base.items() if value not in (None, {}, [], 0)}
    return Arms(
        base={field: words.setting(value) for field, value in base.items()},
        scale={
            field: words.setting(plain(value))
            for field, value in ablation.at(study.scale).changes.items()
        },
        fields=fields,
        rows={
            arm: [
                words.setting(plain(changed[field])) if field in changed else "" for field in fields
            ]
            for arm, changed in changes.items()
        },
        other_scales=tuple(arm for arm in ablation.arms if arm not in study.arms),
    )


def arms_frame(study: Study) -> pd.DataFrame:
    """Every field in which the arms of the scale differ, for CSV."""
    fields = varying(study.works)
    columns = {field: [values[arm] for arm in study.arms] for field, values in fields.items()}
    return pd.DataFrame({"arm": study.arms, **columns})


# tuning -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class TuningWarning:
    """What a reader must know of a tuning.

    `incomplete`: runs are missing, and nothing is chosen; `diverged`: every setting did; `edge`:
    the best rate is the smallest or the largest that was tried.
    """

    kind: Literal["incomplete", "diverged", "edge"]
    text: str


@dataclasses.dataclass(frozen=True)
class Tuned:
    """One arm's tuning: settings with their mean score (None: not run), the choice, a warning."""

    arm: str
    scores: tuple[float | None, ...]
    chosen: int | None
    warning: TuningWarning | None = None


@dataclasses.dataclass(frozen=True)
class Grid:
    """The arms that share a grid."""

    settings: tuple[dict[str, Any], ...]
    rows: tuple[Tuned, ...]

    @property
    def heads(self) -> list[str]:
        """The settings as column heads."""
        return [
            ", ".join(
                f"{words.short(name)} {words.setting(value)}" for name, value in setting.items()
            )
            for setting in self.settings
        ]


def grids(study: Study) -> list[Grid]:
    """The tuning of every tuned arm; the arms with one grid stand in one table."""
    by_grid: dict[str, tuple[list[dict[str, Any]], list[Tuned]]] = {}
    for arm in study.arms:
        settings = study.ablation.grid(arm, study.scale)
        if settings:
            key = json.dumps([plain_setting(setting) for setting in settings])
            by_grid.setdefault(key, (settings, []))[1].append(_tuned(study, arm, settings))
    return [Grid(tuple(settings), tuple(rows)) for settings, rows in by_grid.values()]


def warned(row: ClaimRow, grids: Sequence[Grid]) -> ClaimRow:
    """The row with a note on those of its arms whose tuning ended at the edge of its grid.

    A larger grid may move the verdict.
    """
    needed = {arm for _, arm in row.claim.effect.needs}
    tuned = [tuned for grid in grids for tuned in grid.rows if tuned.arm in needed]
    arms = [entry.arm for entry in tuned if entry.warning and entry.warning.kind == "edge"]
    if not arms:
        return row
    edge = f"⚠ tuned at the edge of the grid: {words.listing(arms)}"
    return dataclasses.replace(row, note="; ".join(filter(None, (row.note, edge))))


def plain_setting(setting: dict[str, Any]) -> dict[str, Any]:
    """A setting of plain values, ready for JSON."""
    return {name: plain(value) for name, value in setting.items()}


def _tuned(study: Study, arm: str, settings: list[dict[str, Any]]) -> Tuned:
    declared = set(study.ablation.tuning(arm, study.scale))
    tuning = {cell: run for cell, run in study.runs.items() if cell in declared}
    tried = score(study.ablation, tuning)
    scores = tuple(
        next((value for point, value in tried if point == setting), None) for setting in settings
    )
    if len(tuning) < len(declared):
        runs = f"{len(tuning)} of {len(declared)} tuning runs so far"
        return Tuned(
            arm, scores, None, TuningWarning("incomplete", f"{runs}: nothing is chosen yet")
        )
    chosen = choose(study.ablation, tuning)
    return Tuned(arm, scores, settings.index(chosen), _warning(tried, chosen))


def _warning(
    tried: Sequence[tuple[dict[str, Any], float]], chosen: dict[str, Any]
) -> TuningWarning | None:
    if all(math.isinf(value) for _, value in tried):
        return TuningWarning("diverged", "no setting succeeded")
    end = edge(tried, chosen)
    text = f"edge of the grid: the best lr is the {end} one tried"
    return TuningWarning("edge", text) if end else None


def tuning_frame(study: Study) -> pd.DataFrame:
    """The tuning tables as one long table, for CSV."""
    rows = []
    for grid in grids(study):
        for tuned in grid.rows:
            warning = tuned.warning.text if tuned.warning else ""
            for place, setting in enumerate(grid.settings):
                tried = json.dumps(plain_setting(setting)), tuned.scores[place]
                rows.append((tuned.arm, *tried, place == tuned.chosen, warning))
    columns = ["arm", "setting", study.ablation.select, "chosen", "warning"]
    return pd.DataFrame(rows, columns=columns)
