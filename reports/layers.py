"""What the probes measure layer by layer: gradient norm, activation spread, dead units, what can be read off each layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from dlgbench.reports import panels, style, words
from dlgbench.reports.averages import over_seeds, wants_log
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

END = "/by_layer"
KNOWN = {  # what is recorded: file, title, axis, when
    "gradient": ("gradients", "Gradient norm by layer", "gradient norm", "Before training."),
    "activation": (
        "activations",
        "Activation spread by layer",
        "standard deviation",
        "Before training.",
    ),
    "dead_units": (
        "dead_units",
        "Dead units by layer",
        "share of dead units",
        "After training; by activation layer.",
    ),
    "weight_norms": (
        "weight_norms",
        "Norm of the weights by layer",
        "norm of the weights",
        "After training.",
    ),
    "response_sd": (
        "responses",
        "Layer responses",
        "standard deviation",
        "After training, before activation and addition (He et al. 2016, Figure 7).",
    ),
    "hierarchy": (
        "hierarchy",
        "What a linear classifier reads off each layer",
        "accuracy",
        "After training, if any; on the test split.",
    ),
}
ALWAYS_LOG = ("gradient", "activation")


def draw(study: Study) -> list[style.Drawing]:
    """A figure for each curve over the layers that was measured."""
    names = [name for name in dict.fromkeys(study.frame["metric"]) if name.endswith(END)]
    return [
        drawing
        for name in sorted(names, key=lambda name: name.removesuffix(END) not in KNOWN)
        for drawing in _draw(study, name.removesuffix(END))
    ]


def _draw(study: Study, what: str) -> list[style.Drawing]:
    points = study.frame[(study.frame["metric"] == what + END) & (study.frame["step"] > 0)].dropna(
        subset="value"
    )
    if points.empty:
        return []
    name, title, label, when = KNOWN.get(
        what, (what.replace("/", "_"), f"{what} by layer", what, "")
    )
    log = what in ALWAYS_LOG or wants_log(points)
    same = _merged(points, study.arms)
    zero = [arm for arm in same if log and (points.loc[points["arm"] == arm, "value"] <= 0).any()]
    depths = {arm: int(points.loc[points["arm"] == arm, "step"].max()) for arm in same}
    drawn = [arm for arm in same if arm not in zero and depths[arm] > 1]  # one layer is no curve
    if not drawn:
        return []
    data = over_seeds(points[points["arm"].isin(drawn)], log=log).rename(columns={"step": "layer"})
    groups = {
        f"{depth} layers": [arm for arm in drawn if depths[arm] == depth]
        for depth in sorted({depths[arm] for arm in drawn})
    }
    looks = panels.colours({arm: study.ablation.arm(arm, study.scale) for arm in drawn}, groups)
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    with style.styled():
        figure = Figure(figsize=(9.2, 2.7 * rows))
        axes = figure.subplots(rows, columns, squeeze=False, sharey="row")
        for ax, (depth, arms) in zip(axes.flat, groups.items(), strict=False):
            for arm in arms:
                line, (colour, dash) = data[data["arm"] == arm], looks[arm]
                ax.plot(
                    line["layer"],
                    line["mean"],
                    color=colour,
                    linestyle=dash,
                    marker="o",
                    markersize=3,
                    label=", ".join(same[arm]),
                )
                ax.fill_between(
                    line["layer"], line["low"], line["high"], color=colour, alpha=0.16, linewidth=0
                )
            if not log and ax.get_ylim()[0] < 0 <= points["value"].min():
                ax.set_ylim(0, None)
            ax.set(yscale="log" if log else "linear", title=depth, xlabel="layer, from the input")
            ax.xaxis.get_major_locator().set_params(integer=True)
            style.legend_beside(ax)
        for ax in axes.flat[len(groups) :]:
            ax.set_visible(False)
        for row in axes:
            row[0].set_ylabel(label)
    nil = (
        f" Exactly 0, hence not on a logarithmic axis: {words.listing([arm for first in zero for arm in same[first]], 12)}."
        if zero
        else ""
    )
    mean = "Geometric mean" if log else "Mean"
    of = "the logarithm" if log else "the mean"
    caption = f"{when} {mean} over n = {words.counts(data['n'])} seeds, with Student's 95 % interval of {of}.{nil} {sources(study)}".lstrip()
    return [style.Drawing(name, title, caption, figure, data)]


def _merged(points: pd.DataFrame, order: tuple[str, ...]) -> dict[str, list[str]]:
    """The arms by the first of those that start from the very same numbers (an optimizer changes nothing before training), which share a line."""
    same: dict[tuple[tuple[int, int, float], ...], list[str]] = {}
    for arm in order:
        of_arm = points.loc[points["arm"] == arm, ["seed", "step", "value"]].sort_values(
            ["seed", "step"]
        )
        if len(of_arm):
            same.setdefault(tuple(of_arm.itertuples(index=False, name=None)), []).append(arm)
    return {arms[0]: arms for arms in same.values()}
