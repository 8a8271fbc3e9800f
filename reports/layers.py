"""How the signal fares from layer to layer: gradient norm and activation spread, before training."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from dlgbench.reports import panels, style, words
from dlgbench.reports.averages import over_seeds
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

METRICS = {
    "gradient/by_layer": ("gradients", "Gradient norm by layer", "gradient norm"),
    "activation/by_layer": ("activations", "Activation spread by layer", "standard deviation"),
}


def draw(study: Study) -> list[style.Drawing]:
    """A figure for each of the two that was measured."""
    return [drawing for metric in METRICS for drawing in _draw(study, metric)]


def _draw(study: Study, metric: str) -> list[style.Drawing]:
    points = study.frame[study.frame["metric"] == metric]
    if points.empty:
        return []
    name, title, label = METRICS[metric]
    same = _merged(points, study.arms)
    zero = [arm for arm in same if (points.loc[points["arm"] == arm, "value"] <= 0).any()]
    depths = {arm: int(points.loc[points["arm"] == arm, "step"].max()) for arm in same}
    drawn = [arm for arm in same if arm not in zero]
    data = over_seeds(points[points["arm"].isin(drawn)], log=True).rename(columns={"step": "layer"})
    groups = {f"{depth} layer{'s' * (depth > 1)}": [arm for arm in drawn if depths[arm] == depth] for depth in sorted({depths[arm] for arm in drawn})}
    looks = panels.colours({arm: study.ablation.arm(arm, study.scale) for arm in drawn}, groups)
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    with style.styled():
        figure = Figure(figsize=(9.2, 2.7 * rows))
        axes = figure.subplots(rows, columns, squeeze=False, sharey="row")
        for ax, (depth, arms) in zip(axes.flat, groups.items(), strict=False):
            for arm in arms:
                line, (colour, dash) = data[data["arm"] == arm], looks[arm]
                ax.plot(line["layer"], line["mean"], color=colour, linestyle=dash, marker="o", markersize=3, label=", ".join(same[arm]))
                ax.fill_between(line["layer"], line["low"], line["high"], color=colour, alpha=0.16, linewidth=0)
            ax.set(yscale="log", title=depth, xlabel="layer, from the input")
            ax.xaxis.get_major_locator().set_params(integer=True)
            style.legend_beside(ax)
        for ax in axes.flat[len(groups) :]:
            ax.set_visible(False)
        for row in axes:
            row[0].set_ylabel(label)
    nil = f" Exactly 0, hence not on a logarithmic axis: {words.listing([arm for first in zero for arm in same[first]], 12)}." if zero else ""
    caption = f"Before training. Geometric mean over n = {words.counts(data['n'])} seeds, with Student's 95 % interval of the logarithm.{nil} {sources(study)}"
    return [style.Drawing(name, title, caption, figure, data)]


def _merged(points: pd.DataFrame, order: tuple[str, ...]) -> dict[str, list[str]]:
    """The arms by the first of those that start from the very same numbers (an optimizer changes nothing before training), which share a line."""
    same: dict[tuple[tuple[int, int, float], ...], list[str]] = {}
    for arm in order:
        of_arm = points.loc[points["arm"] == arm, ["seed", "step", "value"]].sort_values(["seed", "step"])
        if len(of_arm):
            same.setdefault(tuple(of_arm.itertuples(index=False, name=None)), []).append(arm)
    return {arms[0]: arms for arms in same.values()}
