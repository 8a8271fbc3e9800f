"""From the runs of an ablation to the chosen settings and the verdicts.

This needs no torch: it can be repeated at any time, on any machine.
"""

from __future__ import annotations

import dataclasses
import math
import statistics as averages
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.metrics import larger_is_better
from dlgbench.stats import judge

UNEQUAL = {"devices": "device", "versions of torch": "version.torch"}  # in a run's provenance


def judge_runs(ablation: Ablation, scale: str, runs: Mapping[Cell, Run]) -> dict[Claim, Verdict]:
    """The verdicts on the claims of an ablation, from its evaluation runs.

    Where runs of one seed come from devices of unequal kinds, or were made by unequal versions of
    torch, the verdict's note says so.
    """
    claims = ablation.claims_at(scale)
    verdicts = judge(claims, readings(runs), ablation.at(scale).seeds)
    return {
        claim: _noted(verdict, claim, runs) for claim, verdict in zip(claims, verdicts, strict=True)
    }


def _noted(verdict: Verdict, claim: Claim, runs: Mapping[Cell, Run]) -> Verdict:
    notes = [verdict.note] if verdict.note else []
    for what, name in UNEQUAL.items():
        if mixed := unequal(name, claim, runs):
            notes.append(f"{mixed} of {verdict.n} seeds pair runs of unequal {what}")
    return dataclasses.replace(verdict, note="; ".join(notes))


def unequal(name: str, claim: Claim, runs: Mapping[Cell, Run]) -> int:
    """The seeds whose runs, of a claim's arms, differ in an entry of their provenance."""
    arms = {arm for _, arm in claim.effect.needs}
    found: dict[int, set[str]] = {}
    for cell, run in runs.items():
        if cell.purpose == "evaluate" and cell.arm in arms:
            found.setdefault(cell.seed, set()).add(run.provenance.get(name, ""))
    return sum(len(of) > 1 for of in found.values())


def readings(runs: Mapping[Cell, Run]) -> dict[str, dict[int, dict[str, float]]]:
    """The evaluation runs as `dlgbench.stats` takes them: arm -> seed -> summary.

    The summary of a run that diverged has the key `diverged`.
    """
    by_arm: dict[str, dict[int, dict[str, float]]] = {}
    for cell, run in runs.items():
        if cell.purpose == "evaluate":
            diverged = {"diverged": 1.0} if run.status == "diverged" else {}
            by_arm.setdefault(cell.arm, {})[cell.seed] = {**run.summary, **diverged}
    return by_arm


def choose(ablation: Ablation, tuning: Mapping[Cell, Run]) -> dict[str, Any]:
    """The setting with the best mean of `ablation.select` over its tuning seeds.

    The best is the smallest, or the largest where larger is better (`dlgbench.metrics`). A run that
    diverged, or never met the target, counts as the worst. Among equals the first of the grid wins.

    Raises:
        DlgbenchError: where there are no tuning runs.
    """
    scores = score(ablation, tuning)
    if not scores:
        raise DlgbenchError(f"{ablation.name}: expected tuning runs to choose from, got none")
    best = max if larger_is_better(str(ablation.select)) else min
    return best(scores, key=lambda entry: entry[1])[0]


def edge(
    tried: Sequence[tuple[Mapping[str, Any], float]], chosen: Mapping[str, Any]
) -> Literal["smallest", "largest"] | None:
    """Which end of its grid a chosen setting's `lr` is, if any: a better one may lie beyond.

    None too where all settings scored the same, so that any will do.
    """
    rates = sorted({setting["lr"] for setting, _ in tried if "lr" in setting})
    if len({number for _, number in tried}) == 1 or len(rates) < 2:
        return None
    ends: dict[Any, Literal["smallest", "largest"]] = {rates[0]: "smallest", rates[-1]: "largest"}
    return ends.get(chosen.get("lr"))


def score(ablation: Ablation, tuning: Mapping[Cell, Run]) -> list[tuple[dict[str, Any], float]]:
    """Each setting of one arm's grid, in the grid's order, with its mean of `ablation.select`.

    The mean is over the tuning seeds. A run without a number counts as the worst: inf where smaller
    is better, else -inf; so does the mean.
    """
    metric = str(ablation.select)
    worst = -math.inf if larger_is_better(metric) else math.inf
    values: dict[Any, list[float]] = {}
    for cell, run in tuning.items():
        number = worst if run.status == "diverged" else run.summary.get(metric, worst)
        values.setdefault(cell.setting, []).append(number)
    return [(dict(setting), averages.fmean(numbers)) for setting, numbers in values.items()]
