"""Learning curves: with and without dropout in pairs, and of all arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dlgbench.ablation import Work
from dlgbench.recipe import Recipe
from dlgbench.registry import TASKS, register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base, panels
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

# with and without dropout -----------------------------------------------------------------------

ERROR = "val/error"
# What comes with dropout in the paper's recipe.
WITH = "model_args.dropout", "model_args.input_dropout", "max_norm"
SHOWN_FROM = 0.25  # of the budget: earlier errors would press the lines together


def dropout_pairs(study: Study) -> dict[str, tuple[str, str]]:
    """(without, with) dropout, by what else tells the pairs apart.

    Arms that differ in anything else make no pair.
    """
    groups: dict[str, dict[bool, tuple[str, dict[str, Any]]]] = {}
    for arm, work in study.works.items():
        if isinstance(work, Recipe) and work.steps:
            rest = {name: value for name, value in work.flat().items() if name not in WITH}
            has_dropout = bool(work.model_args.get("dropout"))
            group = groups.setdefault(repr(sorted(rest.items())), {})
            group.setdefault(has_dropout, (arm, rest))
    pairs = [group for group in groups.values() if len(group) == 2]
    rests = [group[False][1] for group in pairs]
    fields = [
        name
        for name in dict.fromkeys(name for rest in rests for name in rest)
        if len({repr(rest.get(name)) for rest in rests}) > 1
    ]
    titles = (
        ", ".join(f"{words.short(name)} {words.setting(rest.get(name))}" for name in fields)
        for rest in rests
    )
    return {
        title: (group[False][0], group[True][0]) for title, group in zip(titles, pairs, strict=True)
    }


@register_figure("dropout")
def dropout(study: Study) -> list[Plot]:
    """Validation error without and with dropout, in two colours.

    A line style for each architecture, in the manner of Srivastava et al. 2014, Figure 4. Nothing
    with fewer than two pairs.
    """
    points = study.history(ERROR)
    arms = set(points["arm"])
    pairs = {title: pair for title, pair in dropout_pairs(study).items() if set(pair) <= arms}
    if len(pairs) < 2:
        return []
    looks = {
        arm: (color, style.LINES[place % len(style.LINES)])
        for place, pair in enumerate(pairs.values())
        for arm, color in zip(pair, style.ARMS, strict=False)
    }
    data = base.over_seeds(points[points["arm"].isin(looks)], "metric", "arm", "step")
    figure, (ax,) = base.grid(1, 1, 3.6)
    for arm, (color, dash) in looks.items():
        line = data[data["arm"] == arm].sort_values("step")
        base.band(ax, line, "step", color, 0.13, linestyle=dash, linewidth=1.8)
    budget = data.groupby("arm")["step"].transform("max")
    late = data.loc[data["step"] >= SHOWN_FROM * budget, ["mean", "low", "high"]].to_numpy()
    low, high = np.nanmin(late), np.nanmax(late)
    pad = 0.05 * (high - low)
    ax.set(ylim=(max(0, low - pad), high + pad), xlabel="optimizer step", ylabel="validation error")
    handles = [
        Line2D([], [], color=color, linewidth=3, label=label)
        for color, label in zip(style.ARMS, ("without dropout", "with dropout"), strict=False)
    ]
    for place, title in enumerate(pairs):
        dash = style.LINES[place % len(style.LINES)]
        handles.append(Line2D([], [], color=style.SOFT, linestyle=dash, label=title))
    base.legend_beside(ax, handles)
    caption = base.caption(
        study,
        f"In the manner of Srivastava et al. 2014, Figure 4: {len(pairs)} pairs of the same net, "
        "without and with dropout.",
        f"{base.mean_of(data['n'], '')}{base.tuned(study)}.",
        "The axis leaves out the start.",
        base.left_out(study),
    )
    return [Plot("dropout", "Error with and without dropout", caption, figure, data)]


# learning curves --------------------------------------------------------------------------------

MOST_METRICS = 3  # side by side
FAR = 1e3  # times the start: what lies beyond on a logarithmic axis is cut
FEW = 5  # evaluations, each of which is marked on its line


class Metric(NamedTuple):
    """How the learning curve of a metric is drawn."""

    title: str
    from_zero: bool = True


METRICS = {
    "val/error": Metric("validation error"),
    "val/mse": Metric("validation error, mean square"),
    "val/psnr": Metric("validation PSNR, in dB", from_zero=False),
    "val/distance": Metric("distance from the minimizer"),
    "train/loss": Metric("training loss (minibatches)"),
}


def learning_curves(study: Study) -> dict[str, Metric]:
    """The metrics whose learning curves are drawn.

    The suite's; of a task of the user's own its metrics on the validation split; of a training
    function of the user's own whatever it logs.
    """
    metrics = METRICS | {
        metric: Metric(words.plain(metric), from_zero=False)
        for metric in _own_metrics(study)
        if metric not in METRICS
    }
    if not any(map(_has_minibatches, study.works.values())):
        metrics["train/loss"] = Metric("training loss")
    drawn = {metric: about for metric, about in metrics.items() if _is_curve(study.history(metric))}
    if "val/psnr" in drawn:
        drawn.pop("val/mse", None)  # the same in other words
    return drawn


def _has_minibatches(work: Work) -> bool:
    """Whether a step sees only some of the training examples."""
    if not isinstance(work, Recipe) or not work.data:
        return False
    return bool(work.batch_size < (work.data_args.get("train") or np.inf))


def _is_curve(points: pd.DataFrame) -> bool:
    """Whether some arm has values at two steps or more: one value is no curve."""
    finite = points[np.isfinite(points["value"].astype(float))]
    return bool((finite.groupby("arm")["step"].nunique() > 1).any())


def _own_metrics(study: Study) -> list[str]:
    names: list[str] = []
    for work in study.works.values():
        if not isinstance(work, Recipe):
            return study.histories
        validated = [f"val/{name}" for name in TASKS[work.task].metrics_on(work.data)]
        if not set(validated) & set(METRICS):
            names += validated
    return names


@register_figure("curves")
def curves(study: Study) -> list[Plot]:
    """The learning curves of the arms that were trained, at most three metrics side by side.

    Over the steps; and over the epochs too, where an epoch is not as many steps for every arm, and
    all arms tell their number of training examples.
    """
    metrics = list(learning_curves(study).items())
    parts = [metrics[at : at + MOST_METRICS] for at in range(0, len(metrics), MOST_METRICS)]
    epochs = _epochs_in_a_step(study)
    views = {"curves": {}, "curves_by_epoch": epochs if len(set(epochs.values())) > 1 else None}
    return [
        _curves(study, dict(part), name if number == 1 else f"{name}_{number}", in_a_step)
        for name, in_a_step in views.items()
        if in_a_step is not None
        for number, part in enumerate(parts, 1)
    ]


def _epochs_in_a_step(study: Study) -> dict[str, float]:
    """Arm -> minibatch over training examples; nothing where some arm does not tell both."""
    epochs = {}
    for arm, work in study.works.items():
        if isinstance(work, Recipe) and not work.steps:
            continue
        if not isinstance(work, Recipe) or not work.data_args.get("train"):
            return {}
        epochs[arm] = work.batch_size / work.data_args["train"]
    return epochs


def _curves(
    study: Study, metrics: Mapping[str, Metric], name: str, epochs: Mapping[str, float]
) -> Plot:
    """A row of axes for each panel of arms, a column for each metric.

    The x axis counts steps; epochs, where `epochs` tells how many a step of an arm is.
    """
    histories = {metric: study.history(metric) for metric in metrics}
    over = "epoch" if epochs else "step"
    by = ["metric", "arm", "step", *(["epoch"] if epochs else [])]
    if epochs:
        histories = {
            metric: points.assign(epoch=points["step"] * points["arm"].map(epochs).fillna(0))
            for metric, points in histories.items()
        }
    trained = set()
    for points in histories.values():
        trained |= set(points.loc[np.isfinite(points["value"].astype(float)), "arm"])
    arms = [arm for arm in study.arms if arm in trained]
    histories = {metric: points[points["arm"].isin(arms)] for metric, points in histories.items()}
    logs = {metric: base.wants_log(points) for metric, points in histories.items()}
    averages = {
        metric: base.over_seeds(points, *by, log=logs[metric])
        for metric, points in histories.items()
    }
    scales = {
        metric: {"value": "log"} if logs[metric] else base.scaling(line[["mean", "low", "high"]])
        for metric, line in averages.items()
    }
    groups, looks = panels.arrange(study, arms)
    has_optimizer = any(isinstance(study.works[arm], Recipe) for arm in arms)
    label = "epoch" if epochs else "optimizer step" if has_optimizer else "step"
    figure = Figure(figsize=(base.WIDTH, 2.75 * len(groups) + 0.1))
    rows, columns = len(groups), len(metrics)
    axes = figure.subplots(rows, columns, squeeze=False, sharex="row", sharey="col")
    for row, (group, names) in zip(axes, groups.items(), strict=True):
        for ax, (metric, line) in zip(row, averages.items(), strict=True):
            of_group = line[line["arm"].isin(names)]
            ax.set_visible(bool(np.isfinite(of_group["mean"]).any()))
            _lines(ax, of_group, over, names, looks)
            ax.set_title(metrics[metric].title + (f"   {group}" if group else ""))
            ax.set_yscale(**scales[metric])
        base.legend_beside([ax for ax in row if ax.get_visible()][-1])
    for column, (metric, line) in zip(axes.T, averages.items(), strict=True):
        [ax for ax in column if ax.get_visible()][-1].set_xlabel(label)
        _limit(column[0], line, scales[metric], from_zero=metrics[metric].from_zero)
        for ax in column:
            base.mark(ax.yaxis, scales[metric], *ax.get_ylim())
    data = pd.concat(averages.values(), ignore_index=True)
    caption = base.caption(
        study,
        f"{_what(data, scales)}{base.tuned(study)}.",
        panels.guests(groups),
        base.left_out(study),
    )
    return Plot(name, f"Learning curves{' by epoch' * bool(epochs)}", caption, figure, data)


def _lines(
    ax: Axes, data: pd.DataFrame, over: str, arms: Sequence[str], looks: panels.Looks
) -> None:
    for arm in arms:
        color, dash = looks[arm]
        line = data[data["arm"] == arm].sort_values("step")
        look: dict[str, Any] = {"linestyle": dash, "label": arm}
        if len(line) <= FEW:  # else two evaluations look like a law
            look |= {"marker": "o", "markersize": 3.5}
        base.band(ax, line, over, color, **look)


def _limit(ax: Axes, line: pd.DataFrame, scale: Mapping[str, Any], *, from_zero: bool) -> None:
    """Ends of a y axis that begins at 0, where the metric is one that does."""
    if scale["value"] == "linear" and from_zero:
        ends = line[["mean", "high"]].to_numpy()
        ax.set_ylim(0, 1.05 * ends[np.isfinite(ends)].max() or 1)
    elif scale["value"] == "symlog" and line["mean"].min() >= 0:
        ax.set_ylim(0, None)
    elif scale["value"] == "log" and _is_cut(line):
        most = FAR * _start(line)
        ax.set_ylim(min(line["mean"].min(), most / FAR) / 3, most)


def _start(line: pd.DataFrame) -> float:
    """The median of what the arms begin with."""
    return float(line.sort_values("step").groupby("arm")["mean"].first().median())


def _is_cut(line: pd.DataFrame) -> bool:
    """Whether some arm runs so far away that the others would become one line."""
    return bool(line["mean"].max() > FAR * _start(line))


def _what(data: pd.DataFrame, scales: Mapping[str, Mapping[str, Any]]) -> str:
    """The beginning of the caption: mean and interval, and what the axes do to them."""
    kinds = {scale["value"] for scale in scales.values()}
    seeds = words.counts(data["n"])
    what = "One run of each arm, n = 1" if seeds == "1" else base.mean_of(data["n"])
    if "log" in kinds:
        what += "; on a logarithmic axis both are of the logarithm"
    lines = [line for metric, line in data.groupby("metric") if scales[metric]["value"] == "log"]
    if any(map(_is_cut, lines)):
        what += f", and what lies beyond {FAR:,.0f} times the start is cut"
    if "symlog" in kinds:
        what += "; an axis that holds 0 and a wide range is linear near 0 and logarithmic beyond"
    return what
