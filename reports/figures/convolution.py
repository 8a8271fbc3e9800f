"""What convolution and pooling buy: layers as matrices, error by training images, shifted images.

Slides "Fully-connected Layer", "Convolutional layer", "Pooling layer".
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from dlgbench.recipe import Recipe
from dlgbench.registry import register_figure
from dlgbench.reports import style
from dlgbench.reports.figures import base, panels
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

# layers as matrices -----------------------------------------------------------------------------

MATRICES = {
    "connectivity/full": "fully connected",
    "connectivity/local": "windows of 3, not shared",
    "connectivity/shared": "windows of 3, shared: a convolution",
}


@register_figure("connectivity")
def connectivity(study: Study) -> list[Plot]:
    """A layer as a matrix: full, banded, and banded with the same numbers in each row.

    Slide "Convolutional layer".
    """
    arrays = {name: next(iter(study.array(name).values()), None) for name in MATRICES}
    matrices = {name: matrix for name, matrix in arrays.items() if matrix is not None}
    if len(matrices) < len(MATRICES):
        return []
    figure, axes = base.grid(len(matrices), len(matrices), 3.0)
    colors = mpl.colormaps["cividis_r"].with_extremes(bad="none")
    most = max(float(matrix.max()) for matrix in matrices.values())
    rows = []
    for ax, (name, matrix) in zip(axes, matrices.items(), strict=True):
        shown = np.ma.masked_equal(matrix, 0)
        ax.pcolormesh(shown, cmap=colors, vmin=0, vmax=most, edgecolor=style.GRID, linewidth=0.5)
        ax.set(aspect="equal", ylim=(matrix.shape[0], 0))
        base.bare(ax)
        weights = len(np.unique(shown.compressed()))
        ax.set_title(f"{MATRICES[name]}\n{weights} weights")
        rows += [(name, *place, float(weight)) for place, weight in np.ndenumerate(matrix)]
    outputs, inputs = matrices["connectivity/full"].shape
    caption = base.caption(
        study,
        f"The matrix of a layer from {inputs} inputs (columns) to {outputs} outputs (rows). A "
        "colour is a weight; where there is none, inputs and outputs are not connected.",
        f"{base.FIRST_SEED}.",
    )
    data = pd.DataFrame(rows, columns=["matrix", "row", "column", "weight"])
    return [Plot("connectivity", "Layers as matrices", caption, figure, data)]


# error by number of training images -------------------------------------------------------------

IMAGES, ERROR = "data_args.train", "test/error"
BUDGET = "steps", "evaluations", "lr", "target"  # may go with the number of images


def by_number(study: Study) -> dict[str, tuple[str, str, int]]:
    """Arm -> its kind, its data set and its number of training images.

    Arms of one kind differ in these alone; the kind has the name of its first arm without the
    number. Nothing where no two arms differ in the number.
    """
    found: dict[str, tuple[str, str, int]] = {}
    kinds: dict[str, str] = {}
    for arm, work in study.works.items():
        if isinstance(work, Recipe) and work.steps and work.data and "train" in work.data_args:
            rest = {name: value for name, value in work.flat().items() if name not in BUDGET}
            images = int(rest.pop(IMAGES))
            data = str(rest.pop("data"))
            grid = study.ablation.grid(arm, study.scale)
            rest["tuned"] = sorted({name for setting in grid for name in setting} - set(BUDGET))
            name = arm.removesuffix(str(images)).removesuffix("_n").rstrip("_-")
            found[arm] = kinds.setdefault(repr(sorted(rest.items())), name), data, images
    numbers: dict[tuple[str, str], set[int]] = {}
    for kind, data, images in found.values():
        numbers.setdefault((kind, data), set()).add(images)
    return found if any(len(different) > 1 for different in numbers.values()) else {}


@register_figure("images")
def by_images(study: Study) -> list[Plot]:
    """Test error by the number of training images, a panel for each data set.

    Nothing where arms do not differ in the number of training images.
    """
    places, points = by_number(study), study.values(ERROR)
    points = points[points["arm"].isin(places)]
    if points.empty:
        return []
    kinds, sets, numbers = zip(*(places[arm] for arm in points["arm"]), strict=True)
    points = points.assign(kind=kinds, data=sets, images=numbers)
    data = base.over_seeds(points, "kind", "data", "images")
    of_arms = (places[arm][0] for arm in study.arms if arm in places)
    names, drawn = list(dict.fromkeys(of_arms)), list(dict.fromkeys(sets))
    figure, axes = base.grid(len(drawn), 2, 3.1, sharey=True)
    for ax, name in zip(axes, drawn, strict=True):
        for place, kind in enumerate(names):
            line = data[(data["data"] == name) & (data["kind"] == kind)].sort_values("images")
            line = line.assign(images=1.02 ** (place - (len(names) - 1) / 2) * line["images"])
            look = {"linestyle": style.LINES[place % len(style.LINES)], "markersize": 4}
            base.whiskers(ax, line, "images", style.ARMS[place], 1.6, label=kind, **look)
        ax.set(title=name, xlabel="training images", xscale="log")
        base.fixed_ticks(ax.xaxis, sorted(set(data["images"])))
    axes[0].set(ylabel="test error", ylim=(0, None))
    base.legend_beside(axes[-1])
    caption = base.caption(
        study,
        f"{base.mean_of(data['n'])}{base.tuned(study)}.",
        "Dots of one number of images stand side by side.",
        base.left_out(study),
    )
    return [Plot("images", "Error by number of training images", caption, figure, data)]


# shifted images ---------------------------------------------------------------------------------

KEPT = {"shifts/kept_1": 1, "shifts/kept_2": 2, "shifts/kept_3": 3}


@register_figure("shifts")
def shifts(study: Study) -> list[Plot]:
    """Accuracy kept by the number of pixels by which the test images are shifted.

    Slide "Pooling layer".
    """
    points = pd.concat([study.values(metric) for metric in KEPT], ignore_index=True)
    arms = [arm for arm in study.arms if arm in set(points["arm"])]
    if not arms:
        return []
    points = points.assign(pixels=points["metric"].map(KEPT))
    data = base.over_seeds(points, "arm", "pixels")
    groups, looks = panels.arrange(study, arms)
    figure, axes = base.grid(len(groups), 3, 3.1, sharey=True)
    for ax, (title, names) in zip(axes, groups.items(), strict=True):
        for arm in names:
            line = data[data["arm"] == arm].sort_values("pixels")
            color, dashes = looks[arm]
            look = {"linestyle": dashes, "markersize": 4}
            base.whiskers(ax, line, "pixels", color, 1.6, label=arm, **look)
            first = line.iloc[0]
            ax.plot([0, 1], [1, first["mean"]], color=color, linestyle=dashes)
        ax.set(title=title, xlabel="shift, in pixels")
        base.fixed_ticks(ax.xaxis, [0, *KEPT.values()])
        ax.legend(loc="lower left", handlelength=2.6)
    axes[0].set(ylabel="share of the accuracy that is kept", ylim=(0, 1.02))
    caption = base.caption(
        study,
        "Accuracy on shifted test images, over that on the same images where they are; mean over "
        "left, right, up and down.",
        panels.guests(groups),
        f"{base.mean_of(data['n'])}{base.tuned(study)}.",
        base.left_out(study),
    )
    return [Plot("shifts", "Accuracy kept under shifts", caption, figure, data)]
