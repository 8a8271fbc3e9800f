"""What the plots share: grids of axes, lines with intervals, means over the seeds, captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from dlgbench.reports import words
from dlgbench.reports.study import Study, origin
from dlgbench.reports.style import INK, PAPER
from dlgbench.stats import t_interval

WIDTH = 9.2  # inches, of the page
LEVEL = 0.95
WIDE = 1e3  # how far the largest magnitude may lie above the median one on a linear axis
DEEP = 1e-8  # of the median magnitude: what is smaller counts as 0
FIRST_SEED = "Drawn: n = 1, the first seed"

# axes -------------------------------------------------------------------------------------------


def grid(
    count: int, columns: int, height: float, width: float = WIDTH, **more: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes in rows of `columns`, each row `height` inches high."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, height * rows))
    axes = list(figure.subplots(rows, columns, squeeze=False, **more).flat)
    for ax in axes[count:]:
        ax.set_visible(False)
    return figure, axes[:count]


def stack(heights: Sequence[float], extra: float = 0.0, **more: Any) -> tuple[Figure, list[Axes]]:
    """A figure of the page's width with axes one below the other, of these heights in inches."""
    figure = Figure(figsize=(WIDTH, sum(heights) + extra))
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights, **more)
    return figure, list(axes[:, 0])


def bare(ax: Axes) -> None:
    """Axes for a picture: no ticks, grid or frame."""
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Names along the y axis, a row each, the first at the top."""
    ax.set_yticks(range(len(names)), names, color=INK)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def fixed_ticks(axis: Axis, ticks: Sequence[float]) -> None:
    """These ticks and no others, as plain numbers."""
    axis.set_ticks(ticks, list(map(str, ticks)))
    axis.set_ticks([], minor=True)


def readable(axis: Axis, start: float, end: float) -> None:
    """Plain numbers on a logarithmic axis of less than three decades, 20 and not 2 x 10^1."""
    if 0 < start < end < 1000 * start:
        few = end < 8 * start  # of 1, 2, 5 such an axis has one or two
        axis.set_major_locator(MaxNLocator(5) if few else LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def legend_beside(ax: Axes, handles: Sequence[Any] | None = None, length: float = 2.6) -> None:
    """A legend to the right of the axes, where it covers no data."""
    look: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)}
    if handles is not None:
        look["handles"] = handles
    ax.legend(**look, borderaxespad=0, handlelength=length)


def legend_below(ax: Axes, columns: int = 1, distance: float = 0.2) -> None:
    """A legend below the axes, `distance` of their height away."""
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -distance)}
    ax.legend(**place, borderaxespad=0, ncols=columns)


def spread(count: int) -> list[str]:
    """So many colours in order, pale to deep.

    Both ends are seen on a light and on a dark page, and by the colour-blind.
    """
    return list(sns.color_palette("viridis", count + 2).as_hex())[1:-1]


# lines ------------------------------------------------------------------------------------------


def band(
    ax: Axes, line: pd.DataFrame, x: str, color: str, shade: float = 0.16, **look: Any
) -> None:
    """The column `mean` over the column `x`, and its interval as a band."""
    ax.plot(line[x], line["mean"], color=color, **look)
    ax.fill_between(line[x], line["low"], line["high"], color=color, alpha=shade, linewidth=0)


def whiskers(ax: Axes, line: pd.DataFrame, x: str, color: str, width: float, **look: Any) -> None:
    """The column `mean` over the column `x` as dots on a line, and its interval as bars."""
    ax.plot(line[x], line["mean"], color=color, marker="o", **look)
    ax.vlines(line[x], line["low"], line["high"], color=color, linewidth=width, alpha=0.6)


def dots(ax: Axes, x: Any, y: Any, color: str, *, hollow: bool = False, **look: Any) -> None:
    """Dots with an edge of their colour; hollow ones show what was not measured, or not decided."""
    face = PAPER if hollow else color
    ax.scatter(x, y, facecolor=face, edgecolor=color, **look)


def over_seeds(points: pd.DataFrame, *by: str, log: bool = False) -> pd.DataFrame:
    """Mean and Student's 95 % interval of the column `value` in each group.

    One value has no interval.

    Args:
        points: a value for each seed.
        by: the columns that make the groups.
        log: of positive values: mean and interval are those of the logarithm, brought back: a
            geometric mean, for a logarithmic axis.
    """
    rows = []
    for key, group in points.groupby(list(by), sort=False):
        values = group["value"].to_numpy()
        values = np.log(values) if log else values
        low, high = t_interval(values, LEVEL) if len(values) > 1 else (math.nan, math.nan)
        summary = np.array([np.mean(values), low, high])
        rows.append((*key, *map(float, np.exp(summary) if log else summary), len(values)))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "n"])


# scales -----------------------------------------------------------------------------------------


def wants_log(points: pd.DataFrame) -> bool:
    """Whether values are positive and span more than a factor of 30: a linear axis hides most."""
    least, most = points["value"].min(), points["value"].max()
    return bool(least > 0 and most / least > 30)


def scaling(values: Any) -> dict[str, Any]:
    """The scale of an axis for values that may be 0 or of both signs, for `Axes.set_yscale`.

    Linear, or symlog where a linear axis hides most of them. It depends on the median and not on
    the smallest magnitude: a difference that happens to be near 0 makes no axis logarithmic.
    """
    magnitudes = np.abs(np.asarray(values, dtype=float))
    sizes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    if not len(sizes) or sizes.max() <= WIDE * (middle := float(np.median(sizes))):
        return {"value": "linear"}
    return {"value": "symlog", "linthresh": max(float(sizes.min()), DEEP * middle)}


def mark(axis: Axis, scale: dict[str, Any], low: float, high: float) -> None:
    """Ticks that do not overlap on a symlog axis from `low` to `high`: 0 and some powers of ten.

    Axes of another scale keep their ticks.
    """
    if scale["value"] != "symlog":
        return
    first = math.ceil(math.log10(scale["linthresh"])) + 1
    last = math.floor(math.log10(max(-low, high)))
    below = math.floor(math.log10(-low)) if low < 0 else first - 1  # the last power below 0
    step = max(1, math.ceil((last - first + 1 + max(0, below - first + 1)) / 8))
    powers = [power for power in range(first, last + 1) if power % step == 0]
    negative = [-(10.0**power) for power in powers[::-1] if power <= below]
    axis.set_major_locator(FixedLocator([*negative, 0.0, *(10.0**power for power in powers)]))


# captions ---------------------------------------------------------------------------------------


def caption(study: Study, *sentences: str, data: Sequence[str] | None = None) -> str:
    """Sentences, and at their end data set, scale and device.

    Args:
        study: what is drawn.
        sentences: how to read it; empty ones are left out.
        data: the data sets that are drawn, where these are not all of the study.
    """
    names = study.data if data is None else data
    devices = ", ".join(origin(list(study.runs.values())).devices) or "unknown"
    sources = f"Scale: {study.scale}. Device: {devices}."
    if names:
        sources = f"Data: {', '.join(names)}. {sources}"
    return " ".join(filter(None, (*sentences, sources)))


def tuned(study: Study) -> str:
    """A clause on the settings that are shown; empty where nothing was tuned."""
    return "; each arm at the setting that its tuning chose" if study.ablation.tune else ""


def left_out(study: Study) -> str:
    """A sentence on the diverged evaluations that no line can show; empty where none diverged."""
    dropped = study.diverged()
    if not dropped:
        return ""
    noun = "run" if len(dropped) == 1 else "runs"
    return f"Left out: {len(dropped)} diverged {noun} ({words.listing(sorted(set(dropped)))})."


def mean_of(n: Any, of: str = " of the mean") -> str:
    """`Mean over n = 5 seeds, with Student's 95 % interval of the mean`, without a full stop."""
    return f"Mean over n = {words.counts(n)} seeds, with Student's 95 % interval{of}"
