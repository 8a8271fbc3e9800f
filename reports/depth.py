"""Training and test error by depth, plain against trick (slides "Plain network: deeper is not necessarily better"; He et al. 2016, Figures 1 and 6)."""

from __future__ import annotations

import pandas as pd

from dlgbench.reports import style, words
from dlgbench.reports.averages import over_seeds, wants_log
from dlgbench.reports.captions import left_out, sources, tuned
from dlgbench.reports.ladders import ladders
from dlgbench.reports.study import Study

FINAL = {"train/error": "training error", "test/error": "test error"}
CURVES = {"train/loss": "training loss (minibatches)", "val/error": "validation error"}
MOST = 4  # tricks whose learning curves stand side by side


def draw(study: Study) -> list[style.Drawing]:
    """Error by depth, and the learning curves by depth; none where the arms do not differ in depth."""
    tricks = ladders(study)
    if not tricks or len(tricks) > len(style.ARMS):
        return []
    return [*_errors(study, tricks), *(_curves(study, tricks) if len(tricks) <= MOST else [])]


def _errors(study: Study, tricks: dict[str, dict[int, str]]) -> list[style.Drawing]:
    places = {arm: (trick, depth) for trick, arms in tricks.items() for depth, arm in arms.items()}
    points = pd.concat([study.figures(metric) for metric in FINAL], ignore_index=True)
    points = points[points["arm"].isin(places)]
    if points.empty:
        return []
    points = points.assign(
        step=points["arm"].map(lambda arm: places[arm][1]),
        arm=points["arm"].map(lambda arm: places[arm][0]),
    )
    data = over_seeds(points, log=False).rename(columns={"arm": "trick", "step": "depth"})
    depths = sorted(set(data["depth"]))
    with style.styled():
        figure, axes = style.grid(len(FINAL), 2, 3.1, sharey=True)
        for ax, (metric, title) in zip(axes, FINAL.items(), strict=True):
            for place, trick in enumerate(tricks):
                line = data[(data["metric"] == metric) & (data["trick"] == trick)].sort_values(
                    "depth"
                )
                colour, dash = style.ARMS[place], style.LINES[place % len(style.LINES)]
                ax.plot(
                    line["depth"],
                    line["mean"],
                    color=colour,
                    linestyle=dash,
                    marker="o",
                    markersize=4,
                    label=trick,
                )
                ax.vlines(
                    line["depth"], line["low"], line["high"], color=colour, linewidth=1.6, alpha=0.6
                )
            ax.set(
                title=title,
                xlabel="depth, in layers",
                xscale="log" if depths[-1] > 8 * depths[0] else "linear",
            )
            ax.set_xticks(depths, list(map(str, depths)))
            ax.set_xticks([], minor=True)
        axes[0].set_ylim(0, None)
        style.legend_beside(axes[-1])
    caption = (
        f"After the last step. Mean over n = {words.counts(data['n'])} seeds, bars: Student's 95 % interval of the mean"
        f"{tuned(study)}.{left_out(study)} {sources(study)}"
    )
    return [style.Drawing("depth", "Error by depth", caption, figure, data)]


def _curves(study: Study, tricks: dict[str, dict[int, str]]) -> list[style.Drawing]:
    frame = study.frame
    points = frame[frame["metric"].isin(CURVES) & (frame["step"] > 0)]
    if points.empty:
        return []
    logs = {
        metric: wants_log(points[points["metric"] == metric])
        for metric in CURVES
        if metric in set(points["metric"])
    }
    data = pd.concat(
        [over_seeds(points[points["metric"] == metric], log=log) for metric, log in logs.items()],
        ignore_index=True,
    )
    depths = sorted({depth for arms in tricks.values() for depth in arms})
    colours = dict(zip(depths, style.spread(len(depths)), strict=True))
    with style.styled():
        figure = style.Figure(figsize=(9.2, 2.5 * len(logs) + 0.2))
        axes = figure.subplots(len(logs), len(tricks), squeeze=False, sharex=True, sharey="row")
        for row, (metric, log) in zip(axes, logs.items(), strict=True):
            for ax, (trick, arms) in zip(row, tricks.items(), strict=True):
                for depth, arm in arms.items():
                    line = data[(data["arm"] == arm) & (data["metric"] == metric)].sort_values(
                        "step"
                    )
                    thin = metric.startswith("train")
                    ax.plot(
                        line["step"],
                        line["mean"],
                        color=colours[depth],
                        linewidth=1 if thin else 2.2,
                        linestyle="--" if thin else "-",
                        label=f"{depth} layers",
                    )
                    ax.fill_between(
                        line["step"],
                        line["low"],
                        line["high"],
                        color=colours[depth],
                        alpha=0.14,
                        linewidth=0,
                    )
                ax.set(title=trick, yscale="log" if log else "linear")
                if not log:
                    ax.set_ylim(0, None)
            row[0].set_ylabel(CURVES[metric])
        for ax in axes[-1]:
            ax.set_xlabel("optimizer step")
        lines = {
            label: line
            for ax in axes[-1]
            for line, label in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        ordered = sorted(lines, key=lambda label: int(label.split()[0]))
        axes[0][-1].legend(
            [lines[label] for label in ordered],
            ordered,
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
            borderaxespad=0,
        )
    data = data[data["arm"].isin([arm for arms in tricks.values() for arm in arms.values()])]
    caption = (
        "In the manner of He et al. 2016, Figure 6: training dashed, validation bold, deeper nets brighter. "
        f"Mean over n = {words.counts(data['n'])} seeds, with Student's 95 % interval.{left_out(study)} {sources(study)}"
    )
    return [style.Drawing("depth_curves", "Learning curves by depth", caption, figure, data)]
