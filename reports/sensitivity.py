"""How much the learning rate matters: the tuning runs over their grid, and the range that is usable (slide "Learning rate")."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgbench.judging import score
from dlgbench.reports import panels, style, words
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

LEAST = 5  # learning rates in a grid
POINT, SHARE = (
    0.01,
    0.1,
)  # usable: within 1 point of the arm's best error, or within 10 % of the best of another metric

GAIN, SOME = (
    0.75,
    1 / 3,
)  # of the worst score: above the first no rate gains an arm, if another arm comes below the second


def usable(scores: pd.Series, metric: str) -> tuple[float, float]:
    """The smallest and the largest learning rate of the run of usable ones that holds the best, from lr -> mean score."""
    best = scores.min()
    limit = best + (POINT if metric.endswith("/error") else SHARE * abs(best))
    place = int(scores.to_numpy().argmin())
    low = high = place
    while low > 0 and scores.iloc[low - 1] <= limit:
        low -= 1
    while high < len(scores) - 1 and scores.iloc[high + 1] <= limit:
        high += 1
    return float(scores.index[low]), float(scores.index[high])


def _scores(study: Study) -> dict[str, pd.Series]:
    """Arm -> mean of the select metric over the tuning seeds by learning rate, the best of a grid's other settings; inf where one diverged."""
    found = {}
    for arm in study.arms:
        tuning = {
            cell: run
            for cell, run in study.runs.items()
            if cell.purpose == "tune" and cell.arm == arm
        }
        rows = [
            (float(setting["lr"]), value)
            for setting, value in score(study.ablation, tuning)
            if "lr" in setting
        ]
        by_rate = (
            pd.Series([value for _, value in rows], index=[lr for lr, _ in rows], dtype=float)
            .groupby(level=0)
            .min()
        )
        if len(by_rate) >= LEAST and by_rate.min() < math.inf:
            found[arm] = by_rate
    return found


def _stuck(found: dict[str, pd.Series]) -> set[str]:
    """The arms that no rate gains: hardly better than the worst score of all, in a study where some arm leaves that far behind."""
    scores = pd.concat(found.values())
    worst = scores[scores < math.inf].max()
    if not 0 <= scores.min() <= SOME * worst:
        return set()
    return {arm for arm, of_arm in found.items() if of_arm.min() > GAIN * worst}


def _reference(study: Study) -> set[str]:
    """The one arm that every claim of two or more arms compares with; none where claims have different ones."""
    compared = [
        {arm for _, arm in claim.effect.needs} for claim in study.ablation.claims_at(study.scale)
    ]
    compared = [arms for arms in compared if len(arms) > 1]
    common = set.intersection(*compared) if len(compared) > 1 else set()
    return common if len(common) == 1 else set()


def draw(study: Study) -> list[style.Drawing]:
    """Curves over the learning rate beside a bar for each arm's usable range; none where no grid has five rates."""
    found, metric = _scores(study), study.ablation.select
    if not found:
        return []
    recipes = {arm: study.ablation.arm(arm, study.scale) for arm in found}
    together = [
        {arm for _, arm in claim.effect.needs} for claim in study.ablation.claims_at(study.scale)
    ]
    groups = panels.split(recipes, together)
    looks = panels.colours(recipes, groups)
    if len(groups) > 1:
        for arm in _reference(study) & set(found):
            groups = {
                title: arms if arm in arms else [arm, *arms] for title, arms in groups.items()
            }
            looks[arm] = style.INK, "-"  # which no other arm has, whatever panel it is in
    stuck = _stuck(found)
    ranges = {
        arm: (math.nan, math.nan) if arm in stuck else usable(scores, metric)
        for arm, scores in found.items()
    }
    rates = [rate for scores in found.values() for rate in scores.index]
    span = min(rates) / 1.5, max(rates) * 1.5
    with style.styled():
        heights = [0.95 + 0.33 * max(len(arms), 4) for arms in groups.values()]
        figure = Figure(figsize=(9.2, sum(heights) + 0.3))
        axes = figure.subplots(
            len(groups),
            2,
            squeeze=False,
            sharex=True,
            height_ratios=heights,
            width_ratios=(1.25, 1),
        )
        for (left, right), (title, arms) in zip(axes, groups.items(), strict=True):
            for arm in arms:
                _curve(left, found[arm], *looks[arm], ring=arm not in stuck)
            _bars(right, {arm: (found[arm], *ranges[arm], looks[arm][0]) for arm in arms})
            left.set_title(f"{metric}, validation" + (f"   {title}" if title else ""))
            right.set_title("usable range")
            left.set(xscale="log", xlim=span)
            if metric.endswith("/error"):
                left.set_ylim(0, None)
        for ax in axes[-1]:
            ax.set_xlabel("learning rate")
    data = pd.DataFrame(
        [
            (arm, rate, value, ranges[arm][0] <= rate <= ranges[arm][1])
            for arm, scores in found.items()
            for rate, value in scores.items()
        ],
        columns=["arm", "lr", metric, "usable"],
    )
    seeds = {cell.seed for cell in study.runs if cell.purpose == "tune"}
    rule = "1 point" if metric.endswith("/error") else "10 %"
    none = f" No rate gains: the arm's best is above {GAIN:g} of the worst score here." * bool(
        stuck
    )
    caption = (
        f"Left: mean over n = {len(seeds)} tuning seed{'s' * (len(seeds) != 1)}; a cross at the top is a rate at which a run diverged. "
        f"Right: the rates around the best (ring) that come within {rule} of it, and their ratio; "
        f"an arrowhead stands at the grid's edge, where the range may go on.{none} {sources(study)}"
    )
    return [style.Drawing("sensitivity", "Sensitivity to the learning rate", caption, figure, data)]


def _curve(ax: Axes, scores: pd.Series, colour: str, dash: object, *, ring: bool) -> None:
    finite = scores[scores < math.inf]
    ax.plot(finite.index, finite, color=colour, linestyle=dash, marker="o", markersize=3)
    lost = scores.index[scores == math.inf]
    if len(lost):  # an empty line outside of the axes would upset the layout
        ax.plot(
            lost,
            [0.98] * len(lost),
            transform=ax.get_xaxis_transform(),
            color=colour,
            marker="x",
            markersize=5,
            linestyle="",
            clip_on=False,
        )
    if ring:
        ax.plot(
            [finite.idxmin()],
            [finite.min()],
            marker="o",
            markersize=8,
            markerfacecolor="none",
            markeredgecolor=colour,
            linestyle="",
        )


def _bars(ax: Axes, ranges: dict[str, tuple[pd.Series, float, float, str]]) -> None:
    labels = []
    for place, (arm, (scores, low, high, colour)) in enumerate(ranges.items()):
        if math.isnan(low):
            labels.append(f"{arm}   no rate gains")
            continue
        ax.plot(
            [low, high],
            [place, place],
            color=colour,
            linewidth=6,
            alpha=0.55,
            marker="o",
            markersize=6,
        )
        open_ = [
            (rate, marker)
            for rate, marker, edge in ((low, "<", scores.index[0]), (high, ">", scores.index[-1]))
            if rate == edge
        ]
        for rate, marker in open_:
            ax.plot([rate], [place], marker=marker, markersize=9, color=colour, linestyle="")
        labels.append(f"{arm}   {'≥ ' if open_ else ''}× {words.number(high / low, 2)}")
    ax.set_yticks(range(len(ranges)), labels, color=style.INK)
    ax.set_ylim(len(ranges) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
