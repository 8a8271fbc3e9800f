"""The controls: every one with its verdict, and how often a difference in name only came out as an effect."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

from dlgbench.reports.study import Study
from dlgbench.reports.tables import ClaimRow

TWIN, NEGATIVE, CHECK = KINDS = ("A/A twin", "negative control", "check")
Judged = Sequence[tuple[Study, ClaimRow]]


def _kind(study: Study, row: ClaimRow) -> str:
    """What sort of control a claim is; empty where it is none."""
    if row.claim.statement.startswith("A/A"):
        return TWIN
    if row.claim.expect == "not supported":
        return NEGATIVE
    return CHECK if study.ablation.name.startswith("controls/") else ""


def listed(judged: Judged) -> list[tuple[str, Study, ClaimRow]]:
    """Every negative control, and every other claim of a control's file, with its kind: the A/A twins first, then the negative controls."""
    found = [(_kind(study, row), study, row) for study, row in judged if _kind(study, row)]
    return sorted(found, key=lambda entry: KINDS.index(entry[0]))


def twins(judged: Judged) -> dict[str, float] | None:
    """How many A/A claims came out supported, of how many that were run: the measured false-positive rate, with Clopper and Pearson's interval."""
    rows = [row for kind, _, row in listed(judged) if kind == TWIN and row.verdict != "not run"]
    if not rows:
        return None
    positive = sum(row.verdict == "supported" for row in rows)
    span = stats.binomtest(positive, len(rows)).proportion_ci()
    return {
        "supported": positive,
        "of": len(rows),
        "low": float(span.low),
        "high": float(span.high),
    }
