"""The controls with their verdicts, and how often arms that differ in name only had an effect."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

from dlgbench.reports.study import Study
from dlgbench.reports.tables import ClaimRow

# Kind of claim -> what the page calls it, in its order.
KINDS = {"twin": "A/A twin", "control": "negative control", "check": "check"}
OUT = ("exact", "none")  # methods of verdicts that chance has no part in
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
    """How many A/A claims came out supported, of how many that chance could decide.

    This is the measured false-positive rate, with Clopper and Pearson's interval. Claims judged
    exactly, such as on numbers of parameters, and those with runs missing are left out; None where
    no other is.
    """
    verdicts = [study.verdicts.get(row.claim) for study, row in judged if row.claim.kind == "twin"]
    by_chance = [verdict.verdict for verdict in verdicts if verdict and verdict.method not in OUT]
    if not by_chance:
        return None
    supported, of = by_chance.count("supported"), len(by_chance)
    span = stats.binomtest(supported, of).proportion_ci()
    return {"supported": supported, "of": of, "low": float(span.low), "high": float(span.high)}
