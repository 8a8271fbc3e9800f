"""What frameworks cost: an optimizer step, a pass in each mode; and networks through ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dlgbench.recipe import Recipe
from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

ROW = 0.34  # inches
STEP, RUN, IF, ONNX = "training_step/", "execution/", "if/", "onnx/"
WAYS = {  # of a training step, in the order of the plot
    "bare": "bare loop",
    "reversed": "bare loop, reverse order",
    "engine": "the suite's engine",
    "lightning": "Lightning",
}

# the training step --------------------------------------------------------------------------------


@register_figure("step_cost")
def step_cost(study: Study) -> list[Plot]:
    """The cost of an optimizer step in each way, and as a multiple of the bare loop's.

    Slide "Typical Training Steps".
    """
    points = pd.concat([study.values(f"{STEP}{way}").assign(way=way) for way in WAYS])
    arms = [arm for arm in study.arms if arm in set(points["arm"])]
    if not arms:
        return []
    bare = points[points["way"] == "bare"].set_index(["arm", "seed"])["value"]
    own = pd.MultiIndex.from_frame(points[["arm", "seed"]])
    ratios = points.assign(value=points["value"].to_numpy() / bare.loc[own].to_numpy())
    cost = base.over_seeds(points, "arm", "way", log=True)
    ratio = base.over_seeds(ratios, "arm", "way", log=True)
    figure, axes = base.stack([len(WAYS) * ROW + 0.6] * len(arms))
    for ax, arm in zip(axes, arms, strict=True):
        _rows(ax, cost[cost["arm"] == arm], points[points["arm"] == arm], "way", list(WAYS))
        base.name_rows(ax, list(WAYS.values()))
        for y, way in enumerate(WAYS):
            row = ratio[(ratio["arm"] == arm) & (ratio["way"] == way)].iloc[0]
            _beside(ax, y, "" if way == "bare" else f"× {_interval(row)}")
        ax.set(title=arm, xlabel="milliseconds a step", xlim=(0, None))
    caption = base.caption(
        study,
        f"{base.mean_of(cost['n'])} (both of the logarithm); dots are seeds. Each seed is a median "
        "over rounds in which all ways take turns. Right: the paired ratio to the bare loop, with "
        "its interval.",
    )
    data = pd.concat([cost.assign(quantity="milliseconds"), ratio.assign(quantity="ratio")])
    return [Plot("step_cost", "The cost of a training step", caption, figure, data)]


# modes --------------------------------------------------------------------------------------------


@register_figure("execution")
def execution(study: Study) -> list[Plot]:
    """How much faster than eager each mode is, and what becomes of the slide's `if` in it.

    Slide "Static vs Dynamic Computation Graphs".
    """
    eager, mode = study.values(f"{RUN}eager"), study.values(f"{RUN}mode")
    arms = [arm for arm in study.arms if arm in set(mode["arm"])]
    if not arms:
        return []
    both = eager.merge(mode, on=["arm", "seed"], suffixes=("_eager", "_mode"))
    speed = both.assign(value=both["value_eager"] / both["value_mode"])
    data = base.over_seeds(speed, "arm", log=True)
    data["prepare"] = [study.mean(f"{RUN}prepare", arm) for arm in data["arm"]]
    data["if"] = [_of_the_if(study, arm) for arm in data["arm"]]
    figure, (ax,) = base.stack([len(arms) * ROW + 0.7])
    _rows(ax, data, speed, "arm", arms)
    base.name_rows(ax, [_mode(study, arm) for arm in arms])
    ax.axvline(1, color=style.SOFT, linewidth=0.8)
    for y, arm in enumerate(arms):
        row = data[data["arm"] == arm].iloc[0]
        _beside(ax, y, f"× {_interval(row)}", f"{words.number(row['prepare'], 2)} s", row["if"])
    _beside(ax, -0.8, "speed", "graph ready in", "the slide's if", color=style.SOFT)
    ax.set(xscale="log", xlabel="speed, as a multiple of eager's")
    base.readable(ax.xaxis, *ax.get_xlim())
    caption = base.caption(
        study,
        f"{base.mean_of(data['n'])} (both of the logarithm); dots are seeds. Each seed is a ratio "
        "of medians over rounds in which eager and the mode take turns. Beside it: the seconds "
        "until the graph was made and had passed once, a mean over seeds of which only the first "
        "can have compiled all anew, since what torch.compile builds stays on the disk; and what "
        "the graph of the slide's if, made on one side of it, returns on both. torch.compile "
        "makes no graph of the if itself: it breaks there, and Python decides.",
    )
    return [Plot("execution", "Static and dynamic graphs", caption, figure, data)]


def _mode(study: Study, arm: str) -> str:
    """An arm's name; with a note where torch.compile had nothing to optimize with."""
    fallback = arm == "compiled" and study.mean(f"{RUN}optimized", arm) == 0
    return f"{arm} (aot_eager: no C++ compiler)" if fallback else arm


def _of_the_if(study: Study, arm: str) -> str:
    if study.mean(f"{IF}refused", arm) > 0:
        return "refused"
    error = study.mean(f"{IF}difference", arm)
    return f"wrong by {words.number(error, 2)}" if error else "right"


# interchange --------------------------------------------------------------------------------------

LEAST = 1e-9  # what is smaller, and 0, is drawn there


@register_figure("interchange")
def interchange(study: Study) -> list[Plot]:
    """How far each model's outputs in ONNX Runtime are from torch's, and the size of its file.

    Slide "ONNX".
    """
    names = {"difference": "value", "rounding": "rounding", "train_mode": "train_mode"}
    names |= {"bytes": "bytes"}
    columns = [
        study.values(f"{ONNX}{name}").groupby("arm")["value"].mean().rename(column)
        for name, column in names.items()
    ]
    data = pd.concat(columns, axis=1).sort_values("value", kind="stable").reset_index()
    if data.empty:
        return []
    figure, (apart, size) = base.grid(2, 2, 0.165 * len(data) + 1.0, sharey=True)
    y = np.arange(len(data))
    look: dict[str, Any] = {"s": 20, "zorder": 3}
    blue, orange = style.ARMS[0], style.ARMS[1]
    rounding = np.maximum(data["rounding"], LEAST)
    base.dots(apart, rounding, y, orange, hollow=True, label="torch: float32 − float64", **look)
    difference = np.maximum(data["value"], LEAST)
    base.dots(apart, difference, y, blue, label="ONNX Runtime − torch, float32", **look)
    left = np.maximum(data["train_mode"], LEAST)
    label = "the same, torch in training mode (control)"
    apart.scatter(left, y, s=16, marker="x", linewidths=1, color=style.SOFT, label=label)
    claims = study.ablation.claims_at(study.scale)
    for bound in {claim.threshold.high for claim in claims if _is_about(claim.effect.needs)}:
        apart.axvline(bound, color=style.SOFT, linewidth=1, linestyle=(0, (3, 2)))
    apart.set(xscale="log", xlabel="largest difference of an output")
    base.dots(size, data["bytes"] / 1e3, y, blue, **look)
    size.set(xscale="log", xlabel="size of the ONNX model, kB")
    base.name_rows(apart, list(data["arm"]))
    size.tick_params(axis="y", length=0, labelleft=False)
    base.legend_below(apart, distance=0.6 / (0.165 * len(data) + 1.0))
    caption = base.caption(
        study,
        "Each model: the largest difference of its outputs in ONNX Runtime from those in torch, "
        "and beside it that of torch's own from those in float64; the dashed line is the claim's "
        f"limit. The control is a net that torch left in training mode: where it has dropout or "
        "batch statistics, its outputs differ from those of its export. What is below "
        f"{LEAST:g} is drawn there. Right: the size of the file, on a logarithmic axis; it is that "
        f"of the net as it was exported here, not as it is used: {_sizes(study)}. Nothing is "
        "random: n = 1.",
    )
    return [Plot("interchange", "Networks in another framework", caption, figure, data)]


def _sizes(study: Study) -> str:
    """How large the nets are: their widths, sides of the inputs, and classes."""
    args = [work.model_args for work in study.works.values() if isinstance(work, Recipe)]

    def every(name: str) -> str:
        found = {of[name][-1] if name == "input_shape" else of[name] for of in args if name in of}
        return " or ".join(f"{value:g}" for value in sorted(found)) or "the model's own"

    return (
        f"{every('width')} of the width, where a net has one, inputs with a side of "
        f"{every('input_shape')} pixels, and {every('num_classes')} classes"
    )


def _is_about(needs: Sequence[tuple[str, str]]) -> bool:
    return all(metric == f"{ONNX}difference" for metric, _ in needs)


# rows ---------------------------------------------------------------------------------------------


def _rows(
    ax: Axes, line: pd.DataFrame, points: pd.DataFrame, by: str, names: Sequence[str]
) -> None:
    """A row for each name: mean, interval and seeds."""
    for y, name in enumerate(names):
        row, seeds = line[line[by] == name].iloc[0], points[points[by] == name]["value"]
        ax.scatter(seeds, np.full(len(seeds), y + 0.22), s=8, color=style.ARMS[0], alpha=0.4)
        ax.hlines(y, row["low"], row["high"], color=style.ARMS[0], linewidth=2)
        base.dots(ax, [row["mean"]], [y], style.ARMS[0], s=26, zorder=3)


def _beside(ax: Axes, y: float, *texts: str, color: str = style.INK) -> None:
    """Texts in columns to the right of a row."""
    look: dict[str, Any] = {"fontsize": 8, "color": color, "va": "center"}
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    for text, distance in zip(texts, (6, 104, 180), strict=False):
        ax.annotate(text, (1, y), (distance, 0), **place, **look)


def _interval(row: pd.Series) -> str:
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
