"""Learning curves: validation error and training loss by step, mean and interval over the seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgbench.reports import panels, style, words
from dlgbench.reports.averages import over_seeds, wants_log
from dlgbench.reports.captions import left_out, sources
from dlgbench.reports.study import Study

METRICS = {
    "val/error": "validation error",
    "val/mse": "validation error, mean square",
    "val/psnr": "validation PSNR, in dB",
    "val/distance": "distance from the minimizer",
    "train/loss": "training loss (minibatches)",
}


def draw(study: Study) -> list[style.Drawing]:
    """The learning curves of the arms that were trained; none where nothing was."""
    frame = study.frame
    points = frame[frame["metric"].isin(METRICS) & (frame["step"] > 0)]
    trained = [arm for arm in study.arms if arm in set(points["arm"])]
    if not trained:
        return []
    if "val/psnr" in set(points["metric"]):
        points = points[points["metric"] != "val/mse"]  # the same in other words
    by_metric = {metric: points[points["metric"] == metric] for metric in METRICS}
    logs = {metric: wants_log(found) for metric, found in by_metric.items() if len(found)}
    data = pd.concat([over_seeds(by_metric[metric], log=log) for metric, log in logs.items()], ignore_index=True)
    recipes = {arm: study.ablation.arm(arm, study.scale) for arm in trained}
    together = [{arm for _, arm in claim.effect.needs} for claim in study.ablation.claims_at(study.scale)]
    groups = panels.split(recipes, together)
    looks = panels.colours(recipes, groups)
    with style.styled():
        figure = Figure(figsize=(9.2, 2.75 * len(groups) + 0.1))
        axes = figure.subplots(len(groups), len(logs), squeeze=False, sharex="row", sharey="col")
        for row, (title, arms) in zip(axes, groups.items(), strict=True):
            for ax, (metric, log) in zip(row, logs.items(), strict=True):
                _lines(ax, data[data["metric"] == metric], arms, looks)
                ax.set_title(METRICS[metric] + (f"   {title}" if title else ""))
                ax.set(yscale="log" if log else "linear")
            style.legend_beside(row[-1])
        for ax, (metric, log) in zip(axes[-1], logs.items(), strict=True):
            ax.set_xlabel("optimizer step")
            if not log and metric != "val/psnr":
                ax.set_ylim(0, 1.05 * max(data.loc[data["metric"] == metric, ["mean", "high"]].max()) or 1)
    seeds = words.counts(data["n"])
    geometric = "; on a logarithmic axis both are of the logarithm" * any(logs.values())
    drawn = f"Mean over n = {seeds} seeds, with Student's 95 % interval of the mean{geometric}; each arm at the setting that its tuning chose."
    caption = f"{drawn}{left_out(study)} {sources(study)}"
    return [style.Drawing("curves", "Learning curves", caption, figure, data)]


def _lines(ax: Axes, data: pd.DataFrame, arms: Sequence[str], looks: dict[str, tuple[str, object]]) -> None:
    for arm in arms:
        line = data[data["arm"] == arm].sort_values("step")
        colour, dash = looks[arm]
        ax.plot(line["step"], line["mean"], color=colour, linestyle=dash, label=arm)
        ax.fill_between(line["step"], line["low"], line["high"], color=colour, alpha=0.16, linewidth=0)
