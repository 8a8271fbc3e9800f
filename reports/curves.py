"""Learning curves: validation error and training loss by step, mean and interval over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgbench.reports import panels, style, words
from dlgbench.reports.averages import mark, over_seeds, scaling, wants_log
from dlgbench.reports.captions import left_out, sources, tuned
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
    if "val/psnr" in set(points["metric"]):
        points = points[points["metric"] != "val/mse"]  # the same in other words
    finite = points[np.isfinite(points["value"].astype(float))]
    trained = [arm for arm in study.arms if arm in set(finite["arm"])]
    if not trained:
        return []
    by_metric = {
        metric: points[(points["metric"] == metric) & points["arm"].isin(trained)]
        for metric in METRICS
        if metric in set(finite["metric"])
    }
    logs = {metric: wants_log(found) for metric, found in by_metric.items()}
    data = pd.concat(
        [over_seeds(by_metric[metric], log=log) for metric, log in logs.items()], ignore_index=True
    )
    scales: dict[str, dict[str, Any]] = {
        metric: {"value": "log"}
        if log
        else scaling(data.loc[data["metric"] == metric, ["mean", "low", "high"]])
        for metric, log in logs.items()
    }
    recipes = {arm: study.ablation.arm(arm, study.scale) for arm in trained}
    together = [
        {arm for _, arm in claim.effect.needs} for claim in study.ablation.claims_at(study.scale)
    ]
    groups = panels.split(recipes, together)
    looks = panels.colours(recipes, groups)
    with style.styled():
        figure = Figure(figsize=(9.2, 2.75 * len(groups) + 0.1))
        axes = figure.subplots(len(groups), len(logs), squeeze=False, sharex="row", sharey="col")
        for row, (title, arms) in zip(axes, groups.items(), strict=True):
            for ax, (metric, scale) in zip(row, scales.items(), strict=True):
                of = data[(data["metric"] == metric) & data["arm"].isin(arms)]
                ax.set_visible(bool(np.isfinite(of["mean"]).any()))
                _lines(ax, of, arms, looks)
                ax.set_title(METRICS[metric] + (f"   {title}" if title else ""))
                ax.set_yscale(**scale)
            style.legend_beside([ax for ax in row if ax.get_visible()][-1])
        for column, (metric, scale) in zip(axes.T, scales.items(), strict=True):
            [ax for ax in column if ax.get_visible()][-1].set_xlabel("optimizer step")
            ends = data.loc[data["metric"] == metric, ["mean", "high"]].to_numpy()
            if scale["value"] == "linear" and metric != "val/psnr":
                column[0].set_ylim(0, 1.05 * ends[np.isfinite(ends)].max() or 1)
            elif (
                scale["value"] == "symlog" and data.loc[data["metric"] == metric, "mean"].min() >= 0
            ):
                column[0].set_ylim(0, None)
            for ax in column:
                mark(ax.yaxis, scale, *ax.get_ylim())
    seeds = words.counts(data["n"])
    geometric = "; on a logarithmic axis both are of the logarithm" * any(logs.values())
    bent = any(scale["value"] == "symlog" for scale in scales.values())
    geometric += (
        "; an axis that holds 0 and a wide range is linear near 0 and logarithmic beyond" * bent
    )
    what = (
        f"Mean over n = {seeds} seeds, with Student's 95 % interval of the mean"
        if seeds != "1"
        else "One run of each arm, n = 1"
    )
    drawn = f"{what}{geometric}{tuned(study)}."
    caption = f"{drawn}{left_out(study)} {sources(study)}"
    return [style.Drawing("curves", "Learning curves", caption, figure, data)]


def _lines(
    ax: Axes, data: pd.DataFrame, arms: Sequence[str], looks: dict[str, tuple[str, object]]
) -> None:
    for arm in arms:
        line = data[data["arm"] == arm].sort_values("step")
        colour, dash = looks[arm]
        ax.plot(line["step"], line["mean"], color=colour, linestyle=dash, label=arm)
        ax.fill_between(
            line["step"], line["low"], line["high"], color=colour, alpha=0.16, linewidth=0
        )
