"""The tables: claims, arms, tuning. As rows for the page and as DataFrames for CSV."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pandas as pd

from dlgbench.claim import Claim, Verdict
from dlgbench.judging import choose, score
from dlgbench.recipe import plain
from dlgbench.reports import panels, style, words
from dlgbench.reports.study import Study


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
    verdict, slide, formula = (
        study.verdicts.get(claim),
        claim.slide or study.ablation.slide,
        claim.effect.formula,
    )
    said = words.expectation(claim, verdict)
    if verdict is None:
        scales = [
            scale for scale in study.ablation.scales if claim in study.ablation.claims_at(scale)
        ]
        note = "" if study.scale in scales else f"its arms run at scale {' and '.join(scales)}"
        return ClaimRow(
            claim, slide, "not run", style.SYMBOLS["not run"], said, expected=True, note=note
        )
    row = ClaimRow(
        claim,
        slide,
        verdict.verdict,
        style.SYMBOLS[verdict.verdict],
        said,
        verdict.passes(claim),
        words.effect(formula, verdict.effect),
    )
    level = (
        "range over the seeds" if verdict.method == "exact" else f"{100 * verdict.level:.3g}\u00a0%"
    )
    span, level = (
        ("", "") if words.is_point(verdict) else (words.interval(formula, *verdict.interval), level)
    )
    return dataclasses.replace(
        row, interval=span, level=level, p=words.p_value(verdict.p), n=verdict.n, note=verdict.note
    )


def claims_frame(studies: list[Study]) -> pd.DataFrame:
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
    }


@dataclasses.dataclass(frozen=True)
class Arms:
    """The arms as differences from the base recipe: the fields that any of them changes, and each arm's values (empty: the base's)."""

    base: dict[str, str]
    scale: dict[str, str]
    fields: tuple[str, ...]
    rows: dict[str, list[str]]
    elsewhere: tuple[str, ...]


def arms(study: Study) -> Arms:
    """What the base recipe is, what the scale changes, and what each arm changes."""
    ablation = study.ablation
    fields = tuple(dict.fromkeys(field for arm in study.arms for field in ablation.arms[arm]))
    rows = {
        arm: [
            words.setting(plain(ablation.arms[arm][field])) if field in ablation.arms[arm] else ""
            for field in fields
        ]
        for arm in study.arms
    }
    return Arms(
        base={
            field: words.setting(value)
            for field, value in ablation.recipe.flat().items()
            if value not in (None, {}, [], 0)
        },
        scale={
            field: words.setting(plain(value))
            for field, value in ablation.at(study.scale).changes.items()
        },
        fields=fields,
        rows=rows,
        elsewhere=tuple(arm for arm in ablation.arms if arm not in study.arms),
    )


def short(field: str) -> str:
    """A dotted field without the folder that its name does not need."""
    return field.rpartition(".")[2]


@dataclasses.dataclass(frozen=True)
class Tuned:
    """One arm's tuning: settings with their mean score (None: not run), the choice, and a warning where it stands on the edge."""

    arm: str
    scores: tuple[float | None, ...]
    chosen: int | None
    warning: str


@dataclasses.dataclass(frozen=True)
class Grid:
    """The arms that share a grid."""

    settings: tuple[dict[str, Any], ...]
    rows: tuple[Tuned, ...]

    @property
    def heads(self) -> list[str]:
        """The settings as column heads."""
        return [
            ", ".join(f"{short(name)} {words.setting(value)}" for name, value in setting.items())
            for setting in self.settings
        ]


def grids(study: Study) -> list[Grid]:
    """The tuning of every tuned arm; the arms with one grid stand in one table."""
    by_grid: dict[str, tuple[list[dict[str, Any]], list[Tuned]]] = {}
    for arm in study.arms:
        settings = study.ablation.grid(arm, study.scale)
        if settings:
            by_grid.setdefault(
                json.dumps([plain_setting(setting) for setting in settings]), (settings, [])
            )[1].append(_tuned(study, arm, settings))
    return [Grid(tuple(settings), tuple(rows)) for settings, rows in by_grid.values()]


def warned(row: ClaimRow, grids: list[Grid]) -> ClaimRow:
    """The row with a note on those of its arms whose tuning ended at the edge of its grid: a larger grid may move the verdict."""
    needed = {arm for _, arm in row.claim.effect.needs}
    arms = [
        tuned.arm
        for grid in grids
        for tuned in grid.rows
        if tuned.arm in needed and tuned.warning.startswith("edge")
    ]
    return dataclasses.replace(
        row,
        note="; ".join(
            filter(
                None,
                (
                    row.note,
                    f"⚠ tuned at the edge of the grid: {words.listing(arms)}" if arms else "",
                ),
            )
        ),
    )


def plain_setting(setting: dict[str, Any]) -> dict[str, Any]:
    """A setting of plain values, ready for JSON."""
    return {name: plain(value) for name, value in setting.items()}


def _tuned(study: Study, arm: str, settings: list[dict[str, Any]]) -> Tuned:
    declared = set(study.ablation.tuning(arm, study.scale))
    tuning = {cell: run for cell, run in study.runs.items() if cell in declared}
    found = score(study.ablation, tuning)
    scores = tuple(
        next((value for tried, value in found if tried == setting), None) for setting in settings
    )
    if len(tuning) < len(declared):
        return Tuned(
            arm,
            scores,
            None,
            f"{len(tuning)} of {len(declared)} tuning runs so far: nothing is chosen yet",
        )
    chosen = settings.index(choose(study.ablation, tuning))
    return Tuned(arm, scores, chosen, _warning(settings, chosen, scores))


def _warning(settings: list[dict[str, Any]], chosen: int, scores: tuple[float | None, ...]) -> str:
    if all(value is not None and math.isinf(value) for value in scores):
        return "every setting diverged"
    rates = sorted({setting["lr"] for setting in settings if "lr" in setting})
    if len(set(scores)) == 1:
        return ""  # any setting would have done
    if len(rates) < 2 or settings[chosen]["lr"] not in (rates[0], rates[-1]):
        return ""
    end = "largest" if settings[chosen]["lr"] == rates[-1] else "smallest"
    return f"edge of the grid: the best lr is the {end} one tried"


def tuning_frame(study: Study) -> pd.DataFrame:
    """The tuning tables as one long table, for CSV."""
    rows = [
        (row.arm, json.dumps(plain_setting(setting)), value, place == row.chosen, row.warning)
        for grid in grids(study)
        for row in grid.rows
        for place, (setting, value) in enumerate(zip(grid.settings, row.scores, strict=True))
    ]
    return pd.DataFrame(
        rows, columns=["arm", "setting", study.ablation.select, "chosen", "warning"]
    )


def arms_frame(study: Study) -> pd.DataFrame:
    """Every field in which the arms of the scale differ, for CSV."""
    fields = panels.varying({arm: study.ablation.arm(arm, study.scale) for arm in study.arms})
    return pd.DataFrame(
        {
            "arm": study.arms,
            **{field: [values[arm] for arm in study.arms] for field, values in fields.items()},
        }
    )
