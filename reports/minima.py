"""Two minima of one loss, reached from two starts, and what lies between them (slide "Multiple Local Minima, based on initialization")."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from dlgbench.reports import panels, style, words
from dlgbench.reports.averages import over_seeds, wants_log
from dlgbench.reports.captions import left_out, sources
from dlgbench.reports.study import Study

METRIC = "minima/path"
DOTS = {
    "minima/gap": ("o", "difference of the test errors"),
    "minima/disagreement": ("D", "images classed differently"),
}


def draw(study: Study) -> list[style.Drawing]:
    """The loss along the straight way, and how far its two ends are apart; none where no such way was recorded."""
    points = study.frame[(study.frame["metric"] == METRIC) & (study.frame["step"] > 0)]
    arms = [arm for arm in study.arms if arm in set(points["arm"])]
    if not arms:
        return []
    points = points.assign(
        step=(points["step"] - 1) / (points["step"].max() - 1)
    )  # the 21 values of t from 0 to 1
    log = wants_log(points)
    path = over_seeds(points, log=log).rename(columns={"step": "t"})
    ends = pd.concat([study.figures(metric) for metric in DOTS], ignore_index=True)
    ends = ends[ends["arm"].isin(arms)]
    looks = panels.colours({arm: study.ablation.arm(arm, study.scale) for arm in arms}, {"": arms})
    with style.styled():
        figure, (along, apart) = style.grid(2, 2, 2.6 + 0.2 * len(arms))
        for arm in arms:
            line, (colour, dash) = path[path["arm"] == arm], looks[arm]
            barrier = words.number(study.mean("minima/barrier", arm), 2)
            along.plot(
                line["t"],
                line["mean"],
                color=colour,
                linestyle=dash,
                label=f"{arm}: barrier {barrier}",
            )
            along.fill_between(
                line["t"], line["low"], line["high"], color=colour, alpha=0.16, linewidth=0
            )
        along.set(
            yscale="log" if log else "linear",
            xlabel="t, from the one net to the other",
            title="test loss between the two",
        )
        _dots(apart, ends, arms, looks)
        for ax, columns in ((along, 1), (apart, 2)):
            ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), borderaxespad=0, ncols=columns)
    caption = (
        "Two nets of each arm, trained from two starts. Left: the test loss at the weights (1 − t) a + t b on the straight way between them, mean over "
        f"n = {words.counts(path['n'])} seeds with Student's 95 % interval{' (both of the logarithm)' * log}. Barrier: the largest height of the loss above "
        "the straight line between its two ends, the mean over the seeds. Right, a dot for each seed: the difference of the two test errors, and the share "
        f"of the test images that the two put into different classes, in points (%).{left_out(study)} {sources(study)}"
    )
    return [
        style.Drawing(
            "minima",
            "Between two minima",
            caption,
            figure,
            pd.concat([path, ends], ignore_index=True),
        )
    ]


def _dots(
    ax: Axes, ends: pd.DataFrame, arms: list[str], looks: dict[str, tuple[str, object]]
) -> None:
    for place, (metric, (marker, label)) in enumerate(DOTS.items()):
        for row, arm in enumerate(arms):
            values = 100 * ends.loc[(ends["arm"] == arm) & (ends["metric"] == metric), "value"]
            ax.scatter(
                values,
                [row + 0.3 * place - 0.15] * len(values),
                s=18,
                marker=marker,
                color=looks[arm][0],
                alpha=0.7,
                linewidth=0,
            )
        ax.scatter([], [], s=18, marker=marker, color=style.SOFT, linewidth=0, label=label)
    ax.set_yticks(range(len(arms)), arms, color=style.INK)
    ax.set(ylim=(len(arms) - 0.5, -0.5), xlabel="points (%)", title="how far the two are apart")
    ax.set_xlim(min(0, ax.get_xlim()[0]))
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
