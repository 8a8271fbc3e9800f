"""From an ablation's runs to its choices and verdicts. Needs no torch: it can be done again at any time, on any machine."""

from __future__ import annotations

import math
import statistics as averages
from collections.abc import Mapping
from typing import Any

from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.stats import judge


def judge_runs(ablation: Ablation, scale: str, runs: Mapping[Cell, Run]) -> dict[Claim, Verdict]:
    """The verdicts on the claims of an ablation, from its evaluation runs."""
    claims = ablation.claims_at(scale)
    return dict(zip(claims, judge(claims, readings(runs), ablation.at(scale).seeds), strict=True))


def readings(runs: Mapping[Cell, Run]) -> dict[str, dict[int, dict[str, float]]]:
    """The evaluation runs as the statistics want them: arm -> seed -> summary, with the key `diverged` where a run did."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for cell, run in runs.items():
        if cell.purpose == "evaluate":
            found.setdefault(cell.arm, {})[cell.seed] = {
                **run.summary,
                **({"diverged": 1.0} if run.status == "diverged" else {}),
            }
    return found


def choose(ablation: Ablation, tuning: Mapping[Cell, Run]) -> dict[str, Any]:
    """The setting with the smallest mean of `ablation.select` over its tuning seeds; a run that diverged, or never met the target, is the worst there is.

    Of equals, the first of the grid.

    Raises:
        DlgbenchError: where there are no tuning runs.
    """
    scores = score(ablation, tuning)
    if not scores:
        raise DlgbenchError(f"{ablation.name}: no tuning runs to choose from")
    return min(scores, key=lambda entry: entry[1])[0]


def score(ablation: Ablation, tuning: Mapping[Cell, Run]) -> list[tuple[dict[str, Any], float]]:
    """Each setting of one arm's grid, in its order, with the mean of `ablation.select` over the tuning seeds."""
    values: dict[Any, list[float]] = {}
    for cell, run in tuning.items():
        values.setdefault(cell.setting, []).append(run.summary.get(ablation.select, math.inf))
    return [(dict(setting), averages.fmean(found)) for setting, found in values.items()]
