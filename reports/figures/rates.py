"""How much the learning rate matters: arms that are rates, and usable ranges of the grids."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgbench.judging import score
from dlgbench.metrics import larger_is_better
from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base, panels
from dlgbench.reports.figures.curves import METRICS, Metric
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

LEAST = 5  # learning rates on an axis

# error by learning rate -------------------------------------------------------------------------

ERROR = "test/error"


@register_figure("rates")
def rates(study: Study) -> list[Plot]:
    """Test error by learning rate, where the arms are the rates.

    Slide "Learning rate": too small crawls, too large diverges. Nothing where the arms have fewer
    than five rates, or differ in anything else.
    """
    flat = {arm: work.flat() for arm, work in study.works.items()}
    lrs = {arm: values.get("lr") for arm, values in flat.items()}
    others = {repr({**values, "lr": None}) for values in flat.values()}
    points = study.values(ERROR)
    are_rates = all(isinstance(lr, (int, float)) for lr in lrs.values())
    if not are_rates or len(set(lrs.values())) < LEAST or len(others) > 1 or points.empty:
        return []
    points = points.assign(lr=points["arm"].map(lrs))
    data = base.over_seeds(points, "metric", "lr").sort_values("lr")
    lost = pd.Series([lrs[arm] for arm in study.diverged()], dtype=float).value_counts()
    figure, (ax,) = base.grid(1, 1, 3.2, 6.8)
    base.whiskers(ax, data, "lr", style.ARMS[0], 1.8, markersize=5)
    for rate, count in lost.items():
        _cross(ax, [rate], 0.97, style.ARMS[1], markersize=8, markeredgewidth=2)
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "top"}
        ax.annotate(f"{count} diverged", (rate, 0.9), color=style.SOFT, **place)
    ax.set(xscale="log", ylim=(0, None), xlabel="learning rate", ylabel="test error")
    seeds = words.counts(data["n"])
    caption = base.caption(
        study,
        f"Mean over n = {seeds} seeds that finished, bars: Student's 95 % interval.",
        "Cross: rates at which runs diverged." * bool(len(lost)),
    )
    table = data.assign(diverged=data["lr"].map(lost).fillna(0).astype(int))
    return [Plot("rates", "Error by learning rate", caption, figure, table)]


def _cross(ax: Axes, x: Any, height: float, color: str, **look: Any) -> None:
    """A cross for each x, at a share of the axes' height."""
    y, transform = [height] * len(x), ax.get_xaxis_transform()
    ax.plot(x, y, transform=transform, color=color, marker="x", linestyle="", **look)


# sensitivity to the learning rate ---------------------------------------------------------------

# Usable: within 1 point of the arm's best error, or within 10 % of the best of another metric.
POINT, SHARE = 0.01, 0.1
# Of the worst score: above the first no rate gains an arm, if another arm comes below the second.
GAIN, SOME = 0.75, 1 / 3
Costs = dict[str, pd.Series]  # arm -> lr -> score, of which the smallest is the best


def usable(costs: pd.Series, *, is_error: bool) -> tuple[float, float]:
    """The smallest and the largest learning rate of the run of usable ones that holds the best.

    Args:
        costs: lr -> mean score, the smallest is the best.
        is_error: whether the score is a share of errors, of which a point is the measure.
    """
    best = costs.min()
    limit = best + (POINT if is_error else SHARE * abs(best))
    low = high = int(costs.to_numpy().argmin())
    while low > 0 and costs.iloc[low - 1] <= limit:
        low -= 1
    while high < len(costs) - 1 and costs.iloc[high + 1] <= limit:
        high += 1
    return float(costs.index[low]), float(costs.index[high])


def _costs(study: Study, sign: float) -> Costs:
    """`sign` times the mean of the select metric over the tuning seeds, by learning rate.

    Of a grid's other settings the best counts; inf where a run diverged.
    """
    costs = {}
    for arm in study.arms:
        tuning = {
            cell: run
            for cell, run in study.runs.items()
            if cell.purpose == "tune" and cell.arm == arm
        }
        rows = [
            (float(setting["lr"]), sign * value if math.isfinite(value) else math.inf)
            for setting, value in score(study.ablation, tuning)
            if isinstance(setting.get("lr"), (int, float))
        ]
        values = pd.Series([cost for _, cost in rows], index=[lr for lr, _ in rows], dtype=float)
        by_rate = values.groupby(level=0).min()
        if len(by_rate) >= LEAST and by_rate.min() < math.inf:
            costs[arm] = by_rate
    return costs


def _stuck(costs: Costs, *, is_time: bool) -> set[str]:
    """The arms that no rate gains: hardly better than the worst, where some arm is far better."""
    values = pd.concat(costs.values())
    if is_time and (values == math.inf).any():  # the worst is never to arrive
        return set()
    worst = values[values < math.inf].max()
    if not 0 <= values.min() <= SOME * worst:
        return set()
    return {arm for arm, of_arm in costs.items() if of_arm.min() > GAIN * worst}


@register_figure("sensitivity")
def sensitivity(study: Study) -> list[Plot]:
    """Tuning scores over the learning rate beside a bar for each arm's usable range.

    Slide "Learning rate". Nothing where no grid has five rates.
    """
    metric = study.ablation.select or "val/error"
    sign = -1.0 if larger_is_better(metric) else 1.0
    costs, is_error = _costs(study, sign), metric == "val/error"
    if not costs:
        return []
    groups, looks = panels.arrange(study, costs)
    is_time = metric.startswith("steps_to_target")
    stuck = _stuck(costs, is_time=is_time)
    ranges = {
        arm: (math.nan, math.nan) if arm in stuck else usable(of_arm, is_error=is_error)
        for arm, of_arm in costs.items()
    }
    rates = [rate for of_arm in costs.values() for rate in of_arm.index]
    heights = [0.95 + 0.33 * max(len(arms), 4) for arms in groups.values()]
    figure = Figure(figsize=(base.WIDTH, sum(heights) + 0.3))
    ratios: dict[str, Any] = {"height_ratios": heights, "width_ratios": (1.25, 1)}
    axes = figure.subplots(len(groups), 2, squeeze=False, sharex=True, **ratios)
    for (left, right), (title, arms) in zip(axes, groups.items(), strict=True):
        for place, arm in enumerate(arms):
            best = None if arm in stuck else sign * costs[arm].min()
            color, dash = looks[arm]
            _curve(left, sign * costs[arm], color, dash, best, 0.98 - 0.035 * place)
        tried = {arm: costs[arm].index for arm in arms}
        _bars(right, tried, ranges, {arm: looks[arm][0] for arm in arms})
        shown = METRICS.get(metric, Metric(words.plain(metric))).title
        left.set_title(shown + (f"   {title}" if title else ""))
        right.set_title("usable range")
        left.set(xscale="log", xlim=(min(rates) / 1.5, max(rates) * 1.5))
        if is_error:
            left.set_ylim(0, None)
    for ax in axes[-1]:
        ax.set_xlabel("learning rate")
        base.readable(ax.xaxis, *ax.get_xlim())
    rows = [
        (arm, rate, sign * cost, ranges[arm][0] <= rate <= ranges[arm][1])
        for arm, of_arm in costs.items()
        for rate, cost in of_arm.items()
    ]
    data = pd.DataFrame(rows, columns=["arm", "lr", metric, "usable"])
    n = len({cell.seed for cell in study.runs if cell.purpose == "tune"})
    rule = "1 point" if is_error else "10 %"
    caption = base.caption(
        study,
        f"Left: mean over n = {n} tuning seed{'s' * (n != 1)}; a cross at the top is a rate at "
        f"which a run {'did not reach the target' if is_time else 'diverged'}.",
        f"Right: the rates around the best (ring) that come within {rule} of it, and their ratio; "
        "an arrowhead stands at the grid's edge, where the range may go on. A curve has the colour "
        "of its arm's bar.",
        f"No rate gains: the arm's best is above {GAIN:g} of the worst score here." * bool(stuck),
        panels.guests(groups),
        _not_drawn(study, costs),
    )
    return [Plot("sensitivity", "Sensitivity to the learning rate", caption, figure, data)]


def _not_drawn(study: Study, costs: Costs) -> str:
    """A sentence on the arms that were tuned, but over too few rates for a curve."""
    tuned = {cell.arm for cell in study.runs if cell.purpose == "tune"}
    left = [arm for arm in study.arms if arm in tuned and arm not in costs]
    why = f"fewer than {LEAST} learning rates were tried, or none trained"
    return f"Not drawn, since {why}: {words.listing(left)}." if left else ""


def _curve(
    ax: Axes, scores: pd.Series, color: str, dash: Any, best: float | None, height: float
) -> None:
    """An arm's scores over the rates, with a ring around the best if it is given.

    Crosses at this height where a run diverged; there the line is broken.
    """
    is_finite = scores.abs() < math.inf
    shown, lost = scores.where(is_finite), scores.index[~is_finite]
    ax.plot(shown.index, shown, color=color, linestyle=dash, marker="o", markersize=3)
    if len(lost):  # an empty line outside of the axes would upset the layout
        _cross(ax, lost, height, color, markersize=5, clip_on=False)
    if best is not None:
        look: dict[str, Any] = {"markersize": 8, "markerfacecolor": "none", "linestyle": ""}
        at = shown.index[shown == best][0]
        ax.plot([at], [best], marker="o", markeredgecolor=color, **look)


def _bars(
    ax: Axes,
    tried: Mapping[str, pd.Index],
    ranges: Mapping[str, tuple[float, float]],
    colors: Mapping[str, str],
) -> None:
    """The usable range of each arm; an arrowhead where it ends at the edge of what was tried."""
    labels = []
    for place, (arm, color) in enumerate(colors.items()):
        low, high = ranges[arm]
        if math.isnan(low):
            labels.append(f"{arm}   no rate gains")
            continue
        look: dict[str, Any] = {"linewidth": 6, "alpha": 0.55, "marker": "o", "markersize": 6}
        ax.plot([low, high], [place, place], color=color, **look)
        least, most = tried[arm][[0, -1]]
        at_edge = [(low, "<")] * (low == least) + [(high, ">")] * (high == most)
        for rate, marker in at_edge:
            ax.plot([rate], [place], marker=marker, markersize=9, color=color, linestyle="")
        labels.append(f"{arm}   {'≥ ' if at_edge else ''}× {words.number(high / low, 2)}")
    base.name_rows(ax, labels)
