"""Mean and interval over the seeds, for curves by step and by layer."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from dlgbench.statistics import t_interval

LEVEL = 0.95


def over_seeds(points: pd.DataFrame, *, log: bool) -> pd.DataFrame:
    """Mean and Student's 95 % interval for each metric, arm and step; one seed has no interval.

    With `log`, of positive values, both are those of the logarithm, brought back: a geometric mean, for a logarithmic axis.
    """
    rows = []
    for (metric, arm, step), group in points.groupby(["metric", "arm", "step"], sort=False):
        values = group["value"].to_numpy()
        values = np.log(values) if log else values
        low, high = t_interval(values, LEVEL) if len(values) > 1 else (math.nan, math.nan)
        found = np.array([np.mean(values), low, high])
        rows.append((metric, arm, step, *map(float, np.exp(found) if log else found), len(values)))
    return pd.DataFrame(rows, columns=["metric", "arm", "step", "mean", "low", "high", "n"])


def wants_log(points: pd.DataFrame) -> bool:
    """Whether values are positive and span more than a factor of 30: then a linear axis hides most of them."""
    least, most = points["value"].min(), points["value"].max()
    return bool(least > 0 and most / least > 30)
