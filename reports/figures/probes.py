"""What probes measure over layers, batch sizes, thinned networks, and between two minima."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgbench.recipe import Recipe
from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base, panels
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

SAMPLES_CURVE, ONCE = "averaging/by_samples", "averaging/once"
PATH, BARRIER = "minima/path", "minima/barrier"
NOISE_CURVE, SLOPE = "gradient_noise/by_size", "gradient_noise/slope"

# thinned networks -------------------------------------------------------------------------------

SAMPLES = (1, 2, 5, 10, 20, 50, 100)  # as in dlgbench/probes/inference.py


@register_figure("samples")
def samples(study: Study) -> list[Plot]:
    """Test error by the number of thinned networks, against one deterministic pass.

    Slide "Test time: Deterministic Approximation"; Srivastava et al. 2014, Figure 11.
    """
    points, once = study.history(SAMPLES_CURVE), study.values(ONCE)
    arms = [arm for arm in study.arms if arm in set(points["arm"])]
    if not arms:
        return []
    points = points.assign(k=points["step"].map(lambda place: SAMPLES[place - 1]))
    both = pd.concat([points, once.assign(k=0)], ignore_index=True)
    data = base.over_seeds(both, "metric", "arm", "k")
    looks = panels.one_panel(study, arms)
    width = base.WIDTH if len(arms) > 2 else 4.6 * len(arms)
    figure, axes = base.grid(len(arms), 3, 2.8, width, sharey=len(arms) <= 3)
    for ax, arm in zip(axes, arms, strict=True):
        of_arm = data[data["arm"] == arm]
        line, mean = of_arm[of_arm["k"] > 0], of_arm.loc[of_arm["k"] == 0, "mean"].iloc[0]
        look: dict[str, Any] = {"marker": "o", "markersize": 4, "label": "mean of k thinned nets"}
        base.band(ax, line, "k", looks[arm][0], **look)
        look = {"linewidth": 1.3, "linestyle": "--", "label": "one deterministic pass"}
        ax.axhline(mean, color=style.INK, **look)
        ax.set(xscale="log", title=arm, xlabel="thinned networks averaged, k")
        base.fixed_ticks(ax.xaxis, SAMPLES)
    axes[0].set_ylabel("test error")
    axes[0].legend(loc="upper right")
    caption = base.caption(study, f"{base.mean_of(data['n'])} (of the thinned networks).")
    return [Plot("samples", "Averaging thinned networks", caption, figure, data)]


# between two minima -----------------------------------------------------------------------------

DISTANCES = {  # metric -> marker and label
    "minima/gap": ("o", "difference of the test errors"),
    "minima/disagreement": ("D", "images classed differently"),
}


@register_figure("minima")
def minima(study: Study) -> list[Plot]:
    """The loss along the straight way between two minima, and how far the two are apart.

    Slide "Multiple Local Minima, based on initialization".
    """
    points = study.history(PATH)
    arms = [arm for arm in study.arms if arm in set(points["arm"])]
    if not arms:
        return []
    points = points.assign(t=(points["step"] - 1) / (points["step"].max() - 1))  # from 0 to 1
    log = base.wants_log(points)
    path = base.over_seeds(points, "metric", "arm", "t", log=log)
    ends = pd.concat([study.values(metric) for metric in DISTANCES], ignore_index=True)
    ends = ends[ends["arm"].isin(arms)]
    looks = panels.one_panel(study, arms)
    figure, (along, apart) = base.grid(2, 2, 2.6 + 0.2 * len(arms))
    for arm in arms:
        color, dash = looks[arm]
        label = f"{arm}: barrier {words.number(study.mean(BARRIER, arm), 2)}"
        base.band(along, path[path["arm"] == arm], "t", color, linestyle=dash, label=label)
    along.set(
        yscale="log" if log else "linear",
        xlabel="t, from the one net to the other",
        title="test loss between the two",
    )
    _distances(apart, ends, arms, looks)
    base.legend_below(along)
    base.legend_below(apart, columns=2)
    of_log = " (both of the logarithm)" * log
    caption = base.caption(
        study,
        "Two nets of each arm, trained from two starts. Left: the test loss at the weights "
        "(1 − t) a + t b on the straight way between them, mean over "
        f"n = {words.counts(path['n'])} seeds with Student's 95 % interval{of_log}. Barrier: the "
        "largest height of the loss above the straight line between its two ends, the mean over "
        "the seeds. Right, a dot for each seed: the difference of the two test errors, and the "
        "share of the test images that the two put into different classes, in points (%).",
        base.left_out(study),
    )
    table = pd.concat([path, ends], ignore_index=True)
    return [Plot("minima", "Between two minima", caption, figure, table)]


def _distances(ax: Axes, ends: pd.DataFrame, arms: list[str], looks: panels.Looks) -> None:
    """A row for each arm, with a dot for each seed and distance, in points."""
    for place, (metric, (marker, label)) in enumerate(DISTANCES.items()):
        look: dict[str, Any] = {"s": 18, "marker": marker, "linewidth": 0}
        of_metric = ends[ends["metric"] == metric]
        for row, arm in enumerate(arms):
            values = 100 * of_metric.loc[of_metric["arm"] == arm, "value"]
            y = [row + 0.3 * place - 0.15] * len(values)
            ax.scatter(values, y, color=looks[arm][0], alpha=0.7, **look)
        ax.scatter([], [], color=style.SOFT, label=label, **look)
    base.name_rows(ax, arms)
    ax.set(xlabel="points (%)", title="how far the two are apart")
    ax.set_xlim(min(0, ax.get_xlim()[0]))


# noise of the gradient --------------------------------------------------------------------------

SIZES = (8, 16, 32, 64, 128)  # as in dlgbench/probes/noise.py


@register_figure("noise")
def noise(study: Study) -> list[Plot]:
    """How the noise of a minibatch's gradient falls with its size, with 1 / sqrt(B) beside it.

    Slide "Noisy ('Stochastic') Gradient".
    """
    points = study.history(NOISE_CURVE)
    points = points[points["value"] > 0]
    if points.empty:
        return []
    arms = _same_numbers(points, study.arms)
    points = points[points["arm"].isin(arms)]
    points = points.assign(batch_size=points["step"].map(lambda place: SIZES[place - 1]))
    data = base.over_seeds(points, "metric", "arm", "batch_size", log=True)
    looks = panels.one_panel(study, list(arms))
    figure, (ax,) = base.grid(1, 1, 3.2, 7.4)
    for arm, names in arms.items():
        line = data[data["arm"] == arm].sort_values("batch_size")
        label = f"{words.listing(names, 3)}: slope {words.number(study.mean(SLOPE, arm), 2)}"
        look: dict[str, Any] = {"marker": "o", "markersize": 4, "label": label}
        base.band(ax, line, "batch_size", looks[arm][0], **look)
    top = data.loc[data["batch_size"] == SIZES[0], "mean"].max()
    law = [1.25 * top * (size / SIZES[0]) ** -0.5 for size in SIZES]
    look = {"linestyle": "--", "linewidth": 1.1, "label": "1 / √B: slope −0.5"}
    ax.plot(SIZES, law, color=style.INK, **look)
    ax.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="SD of the gradient")
    base.fixed_ticks(ax.xaxis, SIZES)
    base.readable(ax.yaxis, data["mean"].min() / 1.3, 1.4 * top)
    base.legend_beside(ax)
    caption = base.caption(
        study,
        f"Before training. Geometric mean over n = {words.counts(data['n'])} seeds, with Student's "
        "95 % interval of the logarithm.",
    )
    return [Plot("noise", "Noise of the minibatch gradient", caption, figure, data)]


def _same_numbers(points: pd.DataFrame, order: tuple[str, ...]) -> dict[str, list[str]]:
    """The arms by the first of those with the very same numbers, which share a line.

    A batch size, a rate or an optimizer changes nothing before training.
    """
    same: dict[tuple[Any, ...], list[str]] = {}
    for arm in order:
        of_arm = points.loc[points["arm"] == arm, ["seed", "step", "value"]]
        if len(of_arm):
            rows = of_arm.sort_values(["seed", "step"]).itertuples(index=False, name=None)
            same.setdefault(tuple(rows), []).append(arm)
    return {arms[0]: arms for arms in same.values()}


# layer by layer ---------------------------------------------------------------------------------


class LayerCurve(NamedTuple):
    """How a curve over the layers is drawn: file, title, label of the y axis, when measured."""

    name: str
    title: str
    label: str
    when: str = ""
    always_log: bool = False
    x: str = "layer, from the input"
    points: str = "layers"


LAYERS = {
    "gradient/by_layer": LayerCurve(
        "gradients",
        "Gradient norm by layer",
        "gradient norm",
        "Before training.",
        always_log=True,
    ),
    "activation/by_layer": LayerCurve(
        "activations",
        "Activation spread by layer",
        "standard deviation",
        "Before training.",
        always_log=True,
    ),
    "dead_units/by_layer": LayerCurve(
        "dead_units",
        "Dead units by layer",
        "share of dead units",
        "After training; by activation layer.",
    ),
    "weight_norms/by_layer": LayerCurve(
        "weight_norms",
        "Norm of the weights by layer",
        "norm of the weights",
        "After training.",
    ),
    "response_sd/by_layer": LayerCurve(
        "responses",
        "Layer responses",
        "standard deviation",
        "After training, before activation and addition (He et al. 2016, Figure 7).",
    ),
    "hierarchy/by_layer": LayerCurve(
        "hierarchy",
        "What a linear classifier reads off each layer",
        "accuracy",
        "After training, if any; on the test split.",
    ),
    "pyramid/lost": LayerCurve(
        "pyramid_lost",
        "What is lost without the finest levels",
        "share of the images' variance",
        "Nothing is trained; the variance is about each image's own mean.",
        x="finest levels that are left out",
        points="levels",
    ),
}
# Curves of other plots, and one that is not drawn.
OTHERS = {SAMPLES_CURVE, PATH, NOISE_CURVE, "lighting/by_setting"}
OTHERS |= {"high_frequency/by_band", "shifts/accuracy"}


@register_figure("layers")
def layers(study: Study) -> list[Plot]:
    """A plot for each curve that a probe measured: the suite's over the layers, and a user's own.

    A user's curve is a history of a name that is neither a metric nor one of the suite's curves.
    """
    suite = OTHERS | set(LAYERS)
    drawn = [(name, LAYERS[name]) for name in study.histories if name in LAYERS]
    for name in _probe_curves(study):
        if name not in suite:
            about = LayerCurve(name.replace("/", "_"), name, name, x="place", points="points")
            drawn.append((name, about))
    return [plot for name, about in drawn for plot in _layers(study, name, about)]


def _probe_curves(study: Study) -> list[str]:
    """The histories of no metric, in arms with probes; a minimization's hold its path."""
    metrics: set[str] = set()
    arms = []
    for arm, work in study.works.items():
        if isinstance(work, Recipe) and work.probes and work.task != "minimization":
            metrics |= set(work.recorded())
            arms.append(arm)
    return [
        name
        for name in study.histories
        if name not in metrics and study.history(name)["arm"].isin(arms).any()
    ]


def _layers(study: Study, metric: str, about: LayerCurve) -> list[Plot]:
    points = study.history(metric).dropna(subset="value")
    if points.empty:
        return []
    log = about.always_log or base.wants_log(points)
    same = _same_numbers(points, study.arms)
    not_positive = set(points.loc[points["value"] <= 0, "arm"]) if log else set()
    zero = [arm for arm in same if arm in not_positive]
    depths = {arm: int(points.loc[points["arm"] == arm, "step"].max()) for arm in same}
    drawn = [arm for arm in same if arm not in zero and depths[arm] > 1]  # one layer is no curve
    if not drawn:
        return []
    of_drawn = points[points["arm"].isin(drawn)].rename(columns={"step": "layer"})
    data = base.over_seeds(of_drawn, "metric", "arm", "layer", log=log)
    groups = {
        f"{depth} {about.points}": [arm for arm in drawn if depths[arm] == depth]
        for depth in sorted({depths[arm] for arm in drawn})
    }
    looks = panels.looks({arm: study.works[arm] for arm in drawn}, groups)
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(base.WIDTH, 2.7 * rows))
    axes = figure.subplots(rows, columns, squeeze=False, sharey="row")
    for ax, (title, arms) in zip(axes.flat, groups.items(), strict=False):
        for arm in arms:
            color, dash = looks[arm]
            look: dict[str, Any] = {"linestyle": dash, "marker": "o", "markersize": 3}
            line = data[data["arm"] == arm]
            base.band(ax, line, "layer", color, label=", ".join(same[arm]), **look)
        if not log and ax.get_ylim()[0] < 0 <= points["value"].min():
            ax.set_ylim(0, None)
        ax.set(yscale="log" if log else "linear", title=title, xlabel=about.x)
        ax.xaxis.get_major_locator().set_params(integer=True)
        base.legend_beside(ax)
    for ax in axes.flat[len(groups) :]:
        ax.set_visible(False)
    for row in axes:
        row[0].set_ylabel(about.label)
    names = words.listing([arm for first in zero for arm in same[first]], 12)
    mean, of = ("Geometric mean", "the logarithm") if log else ("Mean", "the mean")
    caption = base.caption(
        study,
        about.when,
        f"{mean} over n = {words.counts(data['n'])} seeds, with Student's 95 % interval of {of}.",
        f"Exactly 0, hence not on a logarithmic axis: {names}." if zero else "",
    )
    return [Plot(about.name, about.title, caption, figure, data)]
