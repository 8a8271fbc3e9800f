"""The controls with their verdicts, and how often arms that differ in name only had an effect."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

from dlgbench.reports.study import Study
from dlgbench.reports.tables import ClaimRow

# Kind of claim -> what the page calls it, in its order.
KINDS = {"twin": "A/A twin", "control": "negative control", "check": "check"}
Judged = Sequence[tuple[Study, ClaimRow]]


def listed(judged: Judged) -> list[tuple[str, Study, ClaimRow]]:
    """The controls with what their kinds are called: A/A twins, negative controls, checks."""
    return [
        (name, study, row)
        for kind, name in KINDS.items()
        for study, row in judged
        if row.claim.kind == kind
    ]


def twins(judged: Judged) -> dict[str, float] | None:
    """How many A/A claims came out supported, of how many that were run.

    This is the measured false-positive rate, with Clopper and Pearson's interval; None where none
    was run.
    """
    verdicts = [row.verdict for _, row in judged if row.claim.kind == "twin"]
    run = [verdict for verdict in verdicts if verdict != "not run"]
    if not run:
        return None
    span = stats.binomtest(run.count("supported"), len(run)).proportion_ci()
    low, high = float(span.low), float(span.high)
    return {"supported": run.count("supported"), "of": len(run), "low": low, "high": high}
