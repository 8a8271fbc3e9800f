"""What an architecture costs and what it brings.

Slides "Revolution of Depth", "CNNs, 2017: DenseNet", and "Residual Network" on the identity.
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from dlgbench.recipe import Recipe
from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

ERROR, MSE = "test/error", "test/mse"

# the slide's chart ------------------------------------------------------------------------------

ILSVRC = {  # top-5 error in %, of the slide
    "2010\nshallow": 28.2,
    "2011\nshallow": 25.8,
    "2012\nAlexNet\n8 layers": 16.4,
    "2013\n8 layers": 11.7,
    "2014\nVGG\n19 layers": 7.3,
    "2014\nGoogLeNet\n22 layers": 6.7,
    "2015\nResNet\n152 layers": 3.57,
}
FAMILIES = ("lenet", "alexnet", "vgg", "googlenet", "resnet")  # in the slide's order


def stem(model: str) -> str:
    """A model's name without the numbers at its end: `resnet` for `resnet20`."""
    return re.sub(r"[_\d]+$", "", model)


@register_figure("revolution")
def revolution(study: Study) -> list[Plot]:
    """The slide's chart, and the test errors of the same families here.

    Slide "Revolution of Depth". Nothing where fewer than four of the families were trained, or one
    of them twice.
    """
    errors = study.values(ERROR)
    families: dict[str, str] = {}
    for arm in study.arms:
        work = study.works[arm]
        if isinstance(work, Recipe) and arm in set(errors["arm"]):
            family = next((name for name in FAMILIES if work.model.startswith(name)), None)
            if family is None or family in families:
                return []
            families[family] = arm
    if len(families) < 4:
        return []
    arms = [families[name] for name in FAMILIES if name in families]
    points = errors[errors["arm"].isin(arms)]
    data = base.over_seeds(points, "metric", "arm").set_index("arm").loc[arms].reset_index()
    figure, (left, right) = base.grid(2, 2, 3.4, width_ratios=(7, 5.5))
    _bars(left, list(ILSVRC), list(ILSVRC.values()))
    left.set(title="ILSVRC, the slide's chart", ylabel="top-5 error, %")
    models = [study.works[arm].model for arm in arms]
    names = ["\n".join(dict.fromkeys(pair)) for pair in zip(arms, models, strict=True)]
    _bars(right, names, list(100 * data["mean"]))
    right.vlines(range(len(arms)), 100 * data["low"], 100 * data["high"], color=style.INK)
    right.set(title="here", ylabel="test error, %")
    caption = base.caption(
        study,
        "Left: the slide's figures, the best entry of each year, top-5 error of 1,000 classes "
        f"(He 2016). Right: mean over n = {words.counts(data['n'])} seeds, bars: Student's 95 % "
        f"interval of the mean{base.tuned(study)}. Classes, images and widths differ, so only the "
        "order can be compared.",
        base.left_out(study),
    )
    return [Plot("revolution", "Revolution of depth", caption, figure, data)]


def _bars(ax: Axes, names: list[str], heights: list[float]) -> None:
    bars = ax.bar(range(len(names)), heights, color=style.ARMS[0], width=0.7)
    texts = [words.number(height) for height in heights]
    ax.bar_label(bars, texts, label_type="center", color=style.ON_DARK)
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(axis="x", length=0, labelsize=7.5)
    ax.grid(visible=False, axis="x")


# error by cost ----------------------------------------------------------------------------------

COSTS = {  # metric -> label
    "parameters": "parameters",
    "flops": "operations for an example",
    "memory/saved": "bytes kept for an example in training",
}
SIZES = "model_args.width", "model_args.depth", "model_args.growth", "model_args.channels"
FREE = "lr", "random_stream"  # may differ within a family: what was tuned


@register_figure("costs")
def costs(study: Study) -> list[Plot]:
    """Test error by parameters, operations and memory, a line for the sizes of each family.

    Slide "CNNs, 2017: DenseNet"; Huang et al. 2017, Figure 4. Nothing where these were not
    measured, or do not differ.
    """
    measured = [study.values(metric) for metric in COSTS]
    errors = study.values(ERROR)
    arms = [
        arm
        for arm in study.arms
        if isinstance(study.works[arm], Recipe)
        and all(arm in set(points["arm"]) for points in (errors, *measured))
    ]
    families = _families(study, arms)
    if len(arms) < 3 or len(families) > len(style.ARMS):
        return []
    data = base.over_seeds(errors[errors["arm"].isin(arms)], "metric", "arm")
    for metric, points in zip(COSTS, measured, strict=True):
        data[metric] = data["arm"].map(points.groupby("arm")["value"].mean())
    figure, axes = base.grid(len(COSTS), 3, 3.1, sharey=True)
    for ax, (metric, label) in zip(axes, COSTS.items(), strict=True):
        for place, (family, members) in enumerate(families.items()):
            line = data[data["arm"].isin(members)].sort_values(metric)
            look: dict[str, Any] = {"linestyle": style.LINES[place % len(style.LINES)]}
            look |= {"markersize": 5, "label": family}
            base.whiskers(ax, line, metric, style.ARMS[place], 1.6, **look)
        ax.set(xscale="log", xlabel=label)
        start, end = ax.get_xlim()
        few = end < 8 * start  # of 1, 3 such an axis has one or two
        ax.xaxis.set_major_locator(MaxNLocator(4) if few else LogLocator(subs=(1.0, 3.0)))
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylabel("test error")
    axes[0].set_ylim(0, None)
    base.legend_beside(axes[-1])
    caption = base.caption(
        study,
        f"A dot for each net: mean over n = {words.counts(data['n'])} seeds, bars: Student's 95 % "
        f"interval of the mean{base.tuned(study)}. Operations: two for a multiply-add; memory: "
        "beside the parameters. All three are counted, not measured, and have no interval.",
        base.left_out(study),
    )
    return [Plot("costs", "Error by cost", caption, figure, data)]


def _families(study: Study, arms: list[str]) -> dict[str, list[str]]:
    """Name -> arms that differ in size alone."""
    found: dict[tuple[str, str], list[str]] = {}
    for arm in arms:
        fields = study.works[arm].flat()
        kind = {name: v for name, v in fields.items() if name not in (*SIZES, *FREE, "model")}
        found.setdefault((stem(str(fields["model"])), repr(sorted(kind.items()))), []).append(arm)
    many = len({model for model, _ in found}) < len(found)
    named = {}
    for (model, _), members in found.items():
        shared = os.path.commonprefix(members).strip("_")  # noqa: RUF071  (letters are meant)
        named[(shared or members[0]) if many else model] = members
    return named


# time by operations -----------------------------------------------------------------------------

TIME, OPERATIONS = "time/", "operations/"
APART = 0.065  # of the axes' height, between two names


@register_figure("times")
def times(study: Study) -> list[Plot]:
    """The time that an image takes by the operations of its forward pass, a dot for each net.

    Slides "Revolution of Depth", "CNNs, 2017: DenseNet". For training code of its own that records
    `time/<net>` in microseconds and `operations/<net>`. The line is as much time for each operation
    as the net with the most operations takes.
    """
    recorded = dict.fromkeys(study.frame["metric"])
    nets = [metric.removeprefix(TIME) for metric in recorded if metric.startswith(TIME)]
    nets = [net for net in nets if f"{OPERATIONS}{net}" in recorded]
    if not nets:
        return []
    points = pd.concat([study.values(f"{TIME}{net}").assign(net=net) for net in nets])
    data = base.over_seeds(points, "arm", "net", log=True)
    data["operations"] = [
        study.mean(f"{OPERATIONS}{net}", arm)
        for arm, net in zip(data["arm"], data["net"], strict=True)
    ]
    arms = [arm for arm in study.arms if arm in set(data["arm"])]
    figure, axes = base.grid(len(arms), 2, 3.6, sharey=True)
    for ax, arm in zip(axes, arms, strict=True):
        rows = data[data["arm"] == arm].sort_values("operations")
        most = rows.iloc[-1]
        ends = rows["operations"].agg(["min", "max"])
        ax.plot(ends, most["mean"] * ends / most["operations"], color=style.SOFT, linewidth=1)
        ax.vlines(rows["operations"], rows["low"], rows["high"], color=style.INK)
        base.dots(ax, rows["operations"], rows["mean"], style.ARMS[0], s=26, zorder=3)
        ax.set(xscale="log", yscale="log", title=arm, xlabel="operations for an image")
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    for ax, arm in zip(axes, arms, strict=True):  # whose limits are shared
        _name_beside(ax, data[data["arm"] == arm])
    base.readable(axes[0].yaxis, *axes[0].get_ylim())
    axes[0].set_ylabel("microseconds for an image")
    caption = base.caption(
        study,
        f"{base.mean_of(data['n'])} (both of the logarithm). Each seed is a median over rounds in "
        "which all nets take turns. The line: as much time for each operation as in the net with "
        "the most of them; what lies above it takes longer than its operations tell.",
    )
    return [Plot("times", "Time by operations", caption, figure, data)]


def _name_beside(ax: Axes, rows: pd.DataFrame) -> None:
    """The name of each dot at the right, a line from the dot to it, none over another."""
    rows = rows.sort_values("mean")
    low, high = np.log(ax.get_ylim())
    at = (np.log(rows["mean"].to_numpy()) - low) / (high - low)
    steps = APART * np.arange(len(at))
    moved_up = np.maximum.accumulate(at - steps) + steps
    moved_down = np.minimum.accumulate((at - steps)[::-1])[::-1] + steps
    heights = np.clip((moved_up + moved_down) / 2, steps, 1 - steps[::-1])
    line = {"arrowstyle": "-", "color": style.SOFT, "linewidth": 0.6, "shrinkB": 3}
    place: dict[str, Any] = {"textcoords": "axes fraction", "va": "center", "arrowprops": line}
    for dot, name, height in zip(
        rows[["operations", "mean"]].to_numpy(), rows["net"], heights, strict=True
    ):
        ax.annotate(name, dot, (1.03, height), **place)


# learning the identity --------------------------------------------------------------------------

BLOCKS = "model_args.blocks"


@register_figure("blocks")
def blocks(study: Study) -> list[Plot]:
    """Squared error by the number of blocks, of nets that answer with an image.

    Slide "Residual Network". Nothing where the arms do not differ in it.
    """
    errors = study.values(MSE)
    lines: dict[str, dict[str, int]] = {}  # kind -> arm -> blocks
    for arm in study.arms:
        work = study.works[arm]
        if isinstance(work, Recipe) and BLOCKS in work.flat() and arm in set(errors["arm"]):
            fields = work.flat()
            count = int(fields.pop(BLOCKS))
            kept = {name: value for name, value in fields.items() if name not in FREE}
            lines.setdefault(repr(sorted(kept.items())), {})[arm] = count
    counts = sorted({count for arms in lines.values() for count in arms.values()})
    if len(counts) < 2 or len(lines) > len(style.ARMS):
        return []
    places = {arm: count for arms in lines.values() for arm, count in arms.items()}
    points = errors[errors["arm"].isin(places)]
    points = points.assign(blocks=points["arm"].map(places))
    data = base.over_seeds(points, "metric", "arm", "blocks", log=True)
    figure, (ax,) = base.grid(1, 1, 3.3, 6.6)
    for place, arms in enumerate(lines.values()):
        line = data[data["arm"].isin(arms)].sort_values("blocks")
        line = line.assign(blocks=1.03**place * line["blocks"])  # side by side
        label = re.sub(r"_\d+$", "", next(iter(arms)))
        look: dict[str, Any] = {"linestyle": style.LINES[place % len(style.LINES)]}
        base.whiskers(ax, line, "blocks", style.ARMS[place], 1.6, label=label, **look)
    ax.set(xscale="log", yscale="log", xlabel="blocks of two layers", ylabel="test squared error")
    base.fixed_ticks(ax.xaxis, counts)
    base.readable(ax.yaxis, *ax.get_ylim())
    base.legend_beside(ax)
    caption = base.caption(
        study,
        f"After the last step. Geometric mean over n = {words.counts(data['n'])} seeds, bars: "
        f"Student's 95 % interval of the mean logarithm{base.tuned(study)}.",
        base.left_out(study),
    )
    return [Plot("blocks", "Error by blocks", caption, figure, data)]
