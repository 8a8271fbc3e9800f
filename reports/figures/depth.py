"""What trains at which depth, and how deep a trick reaches.

Slides "Vanishing Gradients Problem" to "Residual Network".
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgbench.recipe import Recipe
from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base
from dlgbench.reports.study import Study, or_default
from dlgbench.reports.style import Plot

Tricks = dict[str, dict[int, str]]  # trick -> depth -> arm
ERROR = "test/error"

# tricks and their depths ------------------------------------------------------------------------

CIFAR_DEPTHS = 20, 32, 44, 56, 110, 1202
FAMILIES = {
    "plain": CIFAR_DEPTHS,
    "resnet": (18, 34, 50, 101, 152, *CIFAR_DEPTHS),
    "vgg": (11, 13, 16, 19),
}
# The models that a depth is part of the name of: name -> family and depth.
NAMED = {
    f"{family}{depth}": (family, depth) for family, depths in FAMILIES.items() for depth in depths
}
BUDGET = "steps", "evaluations", "probes", "lr", "target"  # may go with the depth: no other trick


def depth_of(recipe: Recipe) -> int | None:
    """The number of hidden layers, the model's argument `depth`, or the depth of a named model."""
    if "hidden" in recipe.model_args:
        return len(recipe.model_args["hidden"])
    if "depth" in recipe.model_args:
        return int(recipe.model_args["depth"])
    return NAMED[recipe.model][1] if recipe.model in NAMED else None


def _but_depth(recipe: Recipe) -> dict[str, Any]:
    """The fields of the recipe without those that tell its depth, and without its budget."""
    left_out = (*BUDGET, "model_args.depth")
    rest = {name: value for name, value in recipe.flat().items() if name not in left_out}
    if hidden := recipe.model_args.get("hidden"):
        del rest["model_args.hidden"]
        widths = sorted(set(hidden))
        rest["model_args.width"] = widths[0] if len(widths) == 1 else widths
    return rest | {"model": NAMED.get(recipe.model, (recipe.model,))[0]}


def tricks_by_depth(study: Study) -> Tricks:
    """The trained arms by trick and depth, `{"relu": {2: "relu_2", 10: "relu_10"}, ...}`.

    A trick at one depth only is left out.
    """
    trained = set(study.values(ERROR)["arm"]) | set(study.diverged())
    tricks: dict[str, tuple[dict[str, Any], dict[int, str]]] = {}
    for arm, work in study.works.items():
        if arm in trained and isinstance(work, Recipe) and work.steps and (depth := depth_of(work)):
            rest = _but_depth(work)
            key = repr(sorted(rest.items()))
            tricks.setdefault(key, (rest, {}))[1].setdefault(depth, arm)
    kept = [(rest, dict(sorted(arms.items()))) for rest, arms in tricks.values() if len(arms) > 1]
    names = [_common_name(arms) for _, arms in kept]
    if len(set(names)) < len(names) or "" in names:
        names = _fields_that_differ([rest for rest, _ in kept])
    return {name: arms for name, (_, arms) in zip(names, kept, strict=True)}


def _common_name(arms: Mapping[int, str]) -> str:
    """What the arms' names have in common without their depths; empty where they have nothing."""
    stems = set()
    for depth, arm in arms.items():
        without = re.sub(rf"[_-]?(?<!\d){depth}(?!\d)", "", arm)
        stems.add(re.sub(r"[_-]*x(?=\d)", "_", without).strip("_-"))
    return stems.pop() if len(stems) == 1 else ""


def _fields_that_differ(rests: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each: the fields in which they differ, with their values."""
    fields = [
        field
        for field in dict.fromkeys(name for rest in rests for name in rest)
        if len({repr(rest.get(field)) for rest in rests}) > 1
    ]
    names = (
        [
            f"{words.short(field)} {words.setting(or_default(field, rest.get(field)))}"
            for field in fields
        ]
        for rest in rests
    )
    return [", ".join(name) or "all" for name in names]


# what trains at which depth ---------------------------------------------------------------------

LEAST = 3  # tricks


def most_error(study: Study) -> float | None:
    """The test error up to which a net counts as trained.

    It is the bound of the first claim that an arm's test error is at most so much; None without
    such a claim.
    """
    for claim in study.ablation.claims_at(study.scale):
        metrics = [metric for metric, _ in claim.effect.needs]
        if claim.threshold.kind == "at_most" and metrics == [ERROR]:
            return claim.threshold.high
    return None


def frontier(errors: Mapping[int, float], most: float) -> int | None:
    """The deepest depth up to which every depth trains; None where the shallowest does not."""
    deepest = None
    for depth, error in sorted(errors.items()):
        if not error <= most:
            break
        deepest = depth
    return deepest


@register_figure("heatmap")
def heatmap(study: Study) -> list[Plot]:
    """Test error over depth and trick, and the frontier of each trick.

    Nothing with fewer than three tricks, or where no claim says what "trains" means.
    """
    tricks, most = tricks_by_depth(study), most_error(study)
    if len(tricks) < LEAST or most is None:
        return []
    data = _errors_by_depth(study, tricks, most)
    depths = sorted({depth for arms in tricks.values() for depth in arms})
    figure, (ax,) = base.grid(1, 1, 0.9 + 0.45 * len(tricks))
    _cells(ax, data, list(tricks), depths)
    _frontier(ax, data, list(tricks), depths)
    ax.set_xticks(range(len(depths)), list(map(str, depths)))
    ax.set_yticks(range(len(tricks)), list(tricks), color=style.INK)
    ax.set(xlabel="depth, in layers")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    colors = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), _colormap())
    figure.colorbar(colors, ax=ax, label="test error", pad=0.01, fraction=0.03)
    seeds = words.counts(study.values(ERROR).groupby("arm").size())
    caption = base.caption(
        study,
        f"Mean test error over n = {seeds} seeds.",
        "Thick line: each trick's frontier, up to which every depth trains "
        f"(test error at most {words.number(most)}).",
        "∞: a run diverged." * bool(study.diverged()),
        "Blank: not run." * bool(len(data) < len(tricks) * len(depths)),
    )
    return [Plot("heatmap", "What trains at which depth", caption, figure, data)]


def _errors_by_depth(study: Study, tricks: Tricks, most: float) -> pd.DataFrame:
    diverged, rows = study.diverged(), []
    for trick, arms in tricks.items():
        errors = {
            depth: float("inf") if arm in diverged else study.mean(ERROR, arm)
            for depth, arm in arms.items()
        }
        edge = frontier(errors, most)
        for depth, arm in arms.items():
            rows.append((trick, depth, errors[depth], diverged.count(arm), edge == depth))
    return pd.DataFrame(rows, columns=["trick", "depth", ERROR, "diverged", "frontier"])


def _colormap() -> mpl.colors.Colormap:
    return mpl.colormaps["cividis_r"]


def _cells(ax: Axes, data: pd.DataFrame, tricks: list[str], depths: list[int]) -> None:
    """A cell for each trick and depth, in the colour of its error, with the error in it."""
    errors = np.full((len(tricks), len(depths)), np.nan)
    for row in data.itertuples(index=False):
        trick, depth, error = row[:3]
        y, x = tricks.index(trick), depths.index(depth)
        errors[y, x] = error
        text = "∞" if np.isinf(error) else f"{error:.2f}"
        color = style.ON_DARK if min(error, 1) > 0.55 else style.ON_PALE
        ax.text(x, y, text, ha="center", va="center", color=color)
    shown = np.where(np.isinf(errors), 1.0, errors)
    ax.imshow(shown, cmap=_colormap(), vmin=0, vmax=1, aspect="auto")


def _frontier(ax: Axes, data: pd.DataFrame, tricks: list[str], depths: list[int]) -> None:
    """A staircase right of each trick's last depth that trains."""
    edges = data[data["frontier"]].set_index("trick")["depth"]
    places = [
        depths.index(edges[trick]) + 0.5 if trick in edges.index else -0.5 for trick in tricks
    ]
    x = np.repeat(places, 2)
    y = [place + side for place in range(len(tricks)) for side in (-0.5, 0.5)]
    look: dict[str, Any] = {"solid_joinstyle": "miter", "clip_on": False, "zorder": 3}
    for width, color in ((5.0, style.ON_DARK), (2.4, style.ON_PALE)):
        ax.plot(x, y, color=color, linewidth=width, **look)


# error and learning curves by depth -------------------------------------------------------------

FINAL = {"train/error": "training error", ERROR: "test error"}
CURVES: dict[str, tuple[str, dict[str, Any]]] = {  # metric -> label and line
    "train/loss": ("training loss (minibatches)", {"linewidth": 1, "linestyle": "--"}),
    "val/error": ("validation error", {"linewidth": 2.2, "linestyle": "-"}),
}
MOST_TRICKS = 4  # whose learning curves stand side by side


@register_figure("depth")
def by_depth(study: Study) -> list[Plot]:
    """Training and test error by depth, plain against trick, and the learning curves by depth.

    Slide "Plain network: deeper is not necessarily better"; He et al. 2016, Figures 1 and 6.
    Nothing where the arms do not differ in depth.
    """
    tricks = tricks_by_depth(study)
    if not tricks or len(tricks) > len(style.ARMS):
        return []
    return [
        *_errors(study, tricks),
        *(_curves(study, tricks) if len(tricks) <= MOST_TRICKS else []),
    ]


def _errors(study: Study, tricks: Tricks) -> list[Plot]:
    places = {arm: (trick, depth) for trick, arms in tricks.items() for depth, arm in arms.items()}
    points = pd.concat([study.values(metric) for metric in FINAL], ignore_index=True)
    points = points[points["arm"].isin(places)]
    if points.empty:
        return []
    names, depths = zip(*(places[arm] for arm in points["arm"]), strict=True)
    data = base.over_seeds(points.assign(trick=names, depth=depths), "metric", "trick", "depth")
    ticks = sorted(set(data["depth"]))
    figure, axes = base.grid(len(FINAL), 2, 3.1, sharey=True)
    for ax, (metric, title) in zip(axes, FINAL.items(), strict=True):
        for place, trick in enumerate(tricks):
            is_line = (data["metric"] == metric) & (data["trick"] == trick)
            look = {"linestyle": style.LINES[place % len(style.LINES)], "markersize": 4}
            line = data[is_line].sort_values("depth")
            base.whiskers(ax, line, "depth", style.ARMS[place], 1.6, label=trick, **look)
        scale = "log" if ticks[-1] > 8 * ticks[0] else "linear"
        ax.set(title=title, xlabel="depth, in layers", xscale=scale)
        base.fixed_ticks(ax.xaxis, ticks)
    axes[0].set_ylim(0, None)
    base.legend_beside(axes[-1])
    caption = base.caption(
        study,
        f"After the last step. Mean over n = {words.counts(data['n'])} seeds, bars: Student's 95 % "
        f"interval of the mean{base.tuned(study)}.",
        _at_one_depth(study, tricks),
        base.left_out(study),
        data=_data_of(study, tricks),
    )
    return [Plot("depth", "Error by depth", caption, figure, data)]


def _at_one_depth(study: Study, tricks: Tricks) -> str:
    """A sentence on the trained arms that make no line; empty where there are none."""
    drawn = {arm for of_trick in tricks.values() for arm in of_trick.values()}
    trained = set(study.values(ERROR)["arm"]) - drawn
    left = [arm for arm in study.arms if arm in trained]
    return f"Not drawn, being of one depth: {words.listing(left)}." if left else ""


def _data_of(study: Study, tricks: Tricks) -> list[str]:
    """The data sets of the arms that are drawn."""
    arms = (arm for of_trick in tricks.values() for arm in of_trick.values())
    return list(dict.fromkeys(data for arm in arms if (data := study.works[arm].data)))


def _curves(study: Study, tricks: Tricks) -> list[Plot]:
    histories = {metric: study.history(metric) for metric in CURVES}
    histories = {
        metric: points for metric, points in histories.items() if points["step"].nunique() > 1
    }
    if not histories:
        return []
    logs = {metric: base.wants_log(points) for metric, points in histories.items()}
    averages = [
        base.over_seeds(points, "metric", "arm", "step", log=logs[metric])
        for metric, points in histories.items()
    ]
    data = pd.concat(averages, ignore_index=True)
    depths = sorted({depth for arms in tricks.values() for depth in arms})
    colors = dict(zip(depths, base.spread(len(depths)), strict=True))
    figure = Figure(figsize=(base.WIDTH, 2.5 * len(logs) + 0.2))
    axes = figure.subplots(len(logs), len(tricks), squeeze=False, sharex=True, sharey="row")
    handles: dict[int, Any] = {}  # depth -> line
    for row, (metric, log) in zip(axes, logs.items(), strict=True):
        label, look = CURVES[metric]
        for ax, arms in zip(row, tricks.values(), strict=True):
            for depth, arm in arms.items():
                line = data[(data["arm"] == arm) & (data["metric"] == metric)].sort_values("step")
                text = f"{depth} layers"
                base.band(ax, line, "step", colors[depth], 0.14, label=text, **look)
                handles[depth] = ax.get_lines()[-1]
            ax.set_yscale("log" if log else "linear")
        if not log:
            row[0].set_ylim(0, None)  # of all that share the axis, and so after the last
        row[0].set_ylabel(label)
    for ax, trick in zip(axes[0], tricks, strict=True):
        ax.set_title(textwrap.fill(trick, 60 // len(tricks)))
    for ax in axes[-1]:
        ax.set_xlabel("optimizer step")
    base.legend_beside(axes[0][-1], [handles[depth] for depth in sorted(handles)], length=2.0)
    data = data[data["arm"].isin([arm for arms in tricks.values() for arm in arms.values()])]
    caption = base.caption(
        study,
        "In the manner of He et al. 2016, Figure 6: training dashed, validation bold, deeper nets "
        "brighter.",
        f"{base.mean_of(data['n'], '')}.",
        base.left_out(study),
        data=_data_of(study, tricks),
    )
    return [Plot("depth_curves", "Learning curves by depth", caption, figure, data)]
