"""Mean and interval over the seeds, for curves by step and by layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator

from dlgbench.stats import t_interval

LEVEL = 0.95
WIDE = 1e3  # how far the largest magnitude may lie above the median one on a linear axis
DEEP = 1e-8  # of the median magnitude: what is smaller counts as 0


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


def scaling(values: Any) -> dict[str, Any]:
    """The scale of an axis for values that may be 0 or of both signs, as `Axes.set_yscale` takes it: linear, or symlog where a linear one hides most of them.

    The median tells and not the smallest magnitude: a difference that happens to be near 0 makes no axis logarithmic.
    """
    found = np.abs(np.asarray(values, dtype=float))
    sizes = found[np.isfinite(found) & (found > 0)]
    if not len(sizes) or sizes.max() <= WIDE * (middle := float(np.median(sizes))):
        return {"value": "linear"}
    return {"value": "symlog", "linthresh": max(float(sizes.min()), DEEP * middle)}


def mark(axis: Axis, scale: dict[str, Any], low: float, high: float) -> None:
    """Marks that keep apart on a symlog axis from `low` to `high`: 0 and some powers of ten; other axes keep theirs."""
    if scale["value"] != "symlog":
        return
    first, last = (
        math.ceil(math.log10(scale["linthresh"])) + 1,
        math.floor(math.log10(max(-low, high))),
    )
    below = (
        math.floor(math.log10(-low)) if low < 0 else first - 1
    )  # the largest power among the negative
    step = max(1, math.ceil((last - first + 1 + max(0, below - first + 1)) / 8))
    powers = [power for power in range(first, last + 1) if power % step == 0]
    axis.set_major_locator(
        FixedLocator(
            [
                *(-(10.0**power) for power in powers[::-1] if power <= below),
                0.0,
                *(10.0**power for power in powers),
            ]
        )
    )
