"""What networks see, as images: receptive fields, filters, exemplars, predictions by pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot


def as_picture(images: np.ndarray) -> np.ndarray:
    """Images (..., C, H, W) as `Axes.imshow` takes them.

    Three channels become colours, (..., H, W, 3) in [0, 1], each image stretched to its own
    contrast; otherwise grey, (..., H, W), the mean over the channels.
    """
    if images.shape[-3] != 3:
        return np.asarray(images.mean(-3))
    return np.moveaxis(_stretched(images), -3, -1)


def _stretched(images: np.ndarray) -> np.ndarray:
    """Images (..., C, H, W), each from 0 at its least value to 1 at its largest."""
    sides = (-3, -2, -1)
    low, high = images.min(sides, keepdims=True), images.max(sides, keepdims=True)
    return np.asarray((images - low) / np.where(high > low, high - low, 1))


# receptive fields -------------------------------------------------------------------------------

FIELD = "receptive_field"
MEASURED = FIELD, f"{FIELD}/arithmetic", f"{FIELD}/stride"
MOST_FIELDS = 12  # of different sides; more are drawn as a table (`kernels.field_table`)


@register_figure("receptive_fields")
def receptive_fields(study: Study) -> list[Plot]:
    """Receptive fields to scale, one inside the other, with the arms that have each size.

    Slide "Atrous convolution = Dilated Convolution". Nothing where all have one size.
    """
    values = pd.concat([study.values(metric) for metric in MEASURED], ignore_index=True)
    if FIELD not in set(values["metric"]):
        return []
    columns = {"index": "arm", "columns": "metric", "values": "value"}
    data = values.pivot_table(**columns, aggfunc="first", sort=False).reset_index()
    arms: dict[int, list[str]] = {}
    for arm in study.arms:
        for side in data.loc[data["arm"] == arm, FIELD]:
            arms.setdefault(round(side), []).append(arm)
    sides = sorted(arms, reverse=True)
    if not 2 <= len(sides) <= MOST_FIELDS:
        return []
    figure = Figure(figsize=(6.4, 3.5))
    ax = figure.subplots()
    half, gap = sides[0] / 2, sides[0] / max(len(sides) - 1, 1)
    for place, side in enumerate(sides):
        color, corner = style.ARMS[place % len(style.ARMS)], (-side / 2, -side / 2)
        for look in (
            {"facecolor": color, "alpha": 0.14, "linewidth": 0},
            {"facecolor": "none", "edgecolor": color, "linewidth": 1.4},
        ):
            ax.add_patch(Rectangle(corner, side, side, **look))
        level = half - place * gap
        edge = min(max(level, -side / 2), side / 2)
        pointer = [side / 2, half * 1.12, half * 1.3], [edge, level, level]
        ax.plot(*pointer, color=color, linewidth=0.9)
        ax.text(half * 1.35, level, f"{side} × {side}", va="center", fontweight="bold")
        ax.text(half * 1.95, level, ", ".join(arms[side]), va="center", color=style.SOFT)
    ax.set(xlim=(-half * 1.03, half * 2.9), ylim=(-half * 1.06, half * 1.06), aspect="equal")
    ax.set_axis_off()
    caption = base.caption(
        study,
        "Side of the input patch that one output unit depends on, measured by gradient, in pixels, "
        "to scale. Exact: n = 1.",
    )
    return [Plot("receptive_fields", "Receptive fields", caption, figure, data)]


# one picture for each arm -----------------------------------------------------------------------

MOST_FILTERS = 64  # shown, in a square


def _panels(
    pictures: dict[str, np.ndarray], column: str, draw: Callable[[Axes, str], str]
) -> tuple[Figure, pd.DataFrame]:
    """A panel for each arm: `draw` fills it and gives the second line of its title.

    The table has every number of the pictures, in C order, under `column`.
    """
    columns = min(len(pictures), 4)
    width = base.WIDTH if len(pictures) > 2 else 3.6 * len(pictures)
    figure, axes = base.grid(len(pictures), columns, width / columns + 0.4, width)
    for ax, arm in zip(axes, pictures, strict=True):
        ax.set_title(f"{arm}{draw(ax, arm)}")
        base.bare(ax)
    tables = [
        pd.DataFrame({"arm": arm, "place": range(picture.size), column: picture.ravel()})
        for arm, picture in pictures.items()
    ]
    return figure, pd.concat(tables, ignore_index=True)


@register_figure("filters")
def filters(study: Study) -> list[Plot]:
    """The weights of the first layer's units as images."""
    weights = study.array("filters/weights")
    if not weights or study.array("feature_maps/filters"):  # which are drawn with their maps
        return []

    def draw(ax: Axes, arm: str) -> str:
        ax.imshow(sheet(weights[arm][:MOST_FILTERS]), cmap="gray", interpolation="nearest")
        return f"\nroughness {words.number(study.mean('filters/roughness', arm), 2)}"

    figure, table = _panels(weights, "weight", draw)
    caption = base.caption(
        study,
        "The weights of the first layer's units as images, after training where there was any, "
        "each stretched to its own contrast.",
        "Roughness: 2 for white noise, near 0 for what is smooth; its mean over all seeds.",
        f"{base.FIRST_SEED}.",
    )
    return [Plot("filters", "First-layer filters", caption, figure, table)]


def sheet(weights: np.ndarray) -> np.ndarray:
    """Filters (N, C, S, S) on a sheet with gaps between them.

    (H, W, 3) in [0, 1] with white gaps for three channels; else (H, W), the mean over the channels,
    with nan in the gaps.
    """
    if weights.shape[1] != 3:
        weights = weights.mean(1, keepdims=True)
    images = np.moveaxis(_stretched(weights), 1, -1)  # (N, S, S, C)
    columns = int(np.ceil(len(images) ** 0.5))
    rows, step, channels = -(-len(images) // columns), images.shape[1] + 1, images.shape[-1]
    gap = np.nan if channels == 1 else 1.0
    sheet = np.full((rows * step - 1, columns * step - 1, channels), gap)
    for place, image in enumerate(images):
        y, x = (step * k for k in divmod(place, columns))
        sheet[y : y + step - 1, x : x + step - 1] = image
    return sheet.squeeze(-1) if channels == 1 else sheet


@register_figure("fields")
def fields(study: Study) -> list[Plot]:
    """How strongly one output unit depends on each pixel of its receptive field."""
    maps = study.array("effective_field/map")
    if not maps:
        return []
    effective = {arm: study.mean("effective_field", arm) for arm in maps}
    sides = {arm: effective[arm] / study.mean("effective_field/share", arm) for arm in maps}
    limits = -max(sides.values()) / 2 - 0.5, max(sides.values()) / 2 + 0.5

    def draw(ax: Axes, arm: str) -> str:
        half = sides[arm] / 2
        look: dict[str, Any] = {"extent": (-half, half, -half, half), "interpolation": "nearest"}
        ax.imshow(maps[arm], cmap="viridis", vmin=0, vmax=1, **look)
        ax.set(xlim=limits, ylim=limits)
        size = f"{sides[arm]:.0f} × {sides[arm]:.0f}"
        return f": field {size}\neffective {words.number(effective[arm], 2)}"

    figure, table = _panels(maps, "gradient", draw)
    caption = base.caption(
        study,
        "How strongly one output unit depends on each pixel of its receptive field, by gradient, "
        "from 0 (dark) to its largest (bright), to one scale; effective: side of a square of as "
        "many pixels as have more than 4.55 % of the largest, the mean over all seeds; a net "
        "whose units are dead has 0.",
        f"{base.FIRST_SEED}.",
    )
    return [Plot("fields", "Receptive fields by gradient", caption, figure, table)]


# exemplars --------------------------------------------------------------------------------------

MOST_ARMS = 2
STEP, GAP = 1.1, 0.35  # from image to image, and between blocks of them, in images
OTHER = style.VERDICTS["refuted"]  # the frame of a neighbour of another class


@register_figure("exemplars")
def exemplars(study: Study) -> list[Plot]:
    """The images of the test split that excite units of each hidden layer most.

    Slides "Hidden Layers"; Zeiler & Fergus 2014. At most two arms.
    """
    top = dict(list(study.array("exemplars/top").items())[:MOST_ARMS])
    if not top:
        return []
    heights = []
    for images in top.values():
        layers, units, count = images.shape[:3]
        heights.append(layers * base.WIDTH / (units * (count + GAP)) + 0.5)
    figure, axes = base.stack(heights)
    for ax, (arm, images) in zip(axes, top.items(), strict=True):
        layers, units, count = images.shape[:3]
        block = count * STEP
        pictures = as_picture(images)
        for layer, unit, rank in np.ndindex(layers, units, count):
            x, y = unit * (block + GAP) + rank * STEP, layer * STEP
            _place_image(ax, pictures[layer, unit, rank], x, y)
        _layer_rows(ax, units * (block + GAP), layers)
        middles = [unit * (block + GAP) + block / 2 for unit in range(units)]
        ax.set_xticks(middles, [f"unit {unit + 1}" for unit in range(units)])
        ax.set_title(arm)
    tables = [
        _image_table(images, ("layer", "unit", "rank")).assign(arm=arm)
        for arm, images in top.items()
    ]
    caption = base.caption(
        study,
        "For units of each hidden layer (a row; layer 1 is next to the input) the images of the "
        "test split that excite the unit most, the strongest at the left. What they have in common "
        "is what the unit looks for.",
        f"{base.FIRST_SEED}.",
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("exemplars", "What excites a unit", caption, figure, table)]


@register_figure("neighbours")
def neighbours(study: Study) -> list[Plot]:
    """Images of the test split and those that look alike to each hidden layer.

    Krizhevsky et al. 2012, Figure 4. At most two arms.
    """
    query, nearest, same_class = (
        study.array(f"exemplars/{name}") for name in ("query", "nearest", "nearest_same")
    )
    arms = [arm for arm in nearest if arm in query and arm in same_class][:MOST_ARMS]
    if not arms:
        return []
    columns = max(len(query[arm]) for arm in arms)
    heights = []
    for arm in arms:
        layers, _, count = nearest[arm].shape[:3]
        heights.append(layers * base.WIDTH / columns / (count + 2) + 0.5)
    height = sum(heights) / len(arms)
    figure, axes = base.grid(len(arms) * columns, columns, height, height_ratios=heights)
    tables = []
    for place, arm in enumerate(arms):
        row = axes[place * columns : (place + 1) * columns]
        queries, near, same = (
            as_picture(query[arm]),
            as_picture(nearest[arm]),
            same_class[arm] > 0.5,
        )
        for number, ax in enumerate(row[: len(queries)]):
            _neighbourhood(ax, queries[number], near[:, number], same[:, number])
        for ax in row[len(queries) :]:
            ax.set_visible(False)
        row[0].set_title(arm)
        tables.append(_image_table(query[arm], ("query",)).assign(arm=arm))
        table = _image_table(nearest[arm], ("layer", "query", "rank"))
        tables.append(table.assign(arm=arm, same=same.ravel()))
    caption = base.caption(
        study,
        "An image of the test split (the query, left) and for each hidden layer (a row; layer 1 is "
        "next to the input) the other test images whose activations in that layer lie nearest to "
        "the query's, the nearest first. An orange frame: the image is of another class than the "
        "query.",
        f"{base.FIRST_SEED}.",
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("neighbours", "What looks alike to a layer", caption, figure, table)]


def _neighbourhood(ax: Axes, query: np.ndarray, near: np.ndarray, same: np.ndarray) -> None:
    """A query, and its neighbours `near` (layers, images, ...) in a row for each layer.

    A neighbour that is not of the `same` (layers, images) class is framed.
    """
    layers, count = same.shape
    _place_image(ax, query, 0, (layers - 1) * STEP / 2)
    for layer, rank in np.ndindex(layers, count):
        x, y = 1 + GAP + rank * STEP, layer * STEP
        _place_image(ax, near[layer, rank], x, y)
        if not same[layer, rank]:
            ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=OTHER, linewidth=2))
    _layer_rows(ax, 1 + GAP + count * STEP, layers)
    ax.set_xticks([0.5, 1 + GAP + count * STEP / 2], ["query", "nearest"])


def _place_image(ax: Axes, image: np.ndarray, x: float, y: float) -> None:
    """A picture of size 1 x 1, each to its own contrast, its upper left corner at (x, y)."""
    ax.imshow(image, cmap="gray", extent=(x, x + 1, y + 1, y), interpolation="nearest")


def _layer_rows(ax: Axes, width: float, layers: int) -> None:
    """Axes that hold `width` images across, and a row for each layer."""
    base.bare(ax)
    ax.set(xlim=(-0.1, width), ylim=(layers * STEP, -0.1), aspect="equal")
    middles = [layer * STEP + 0.5 for layer in range(layers)]
    ax.set_yticks(middles, [f"layer {layer + 1}" for layer in range(layers)])
    ax.tick_params(length=0)


def _image_table(images: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """A row for each image of (..., C, H, W): its place, from 1, and its pixels in C order."""
    places = np.indices(images.shape[:-3]).reshape(len(names), -1) + 1
    pixels = images.reshape(places.shape[1], -1).round(4)
    where = pd.DataFrame(dict(zip(names, places, strict=True)))
    return pd.concat([where, pd.DataFrame(pixels).add_prefix("pixel_")], axis=1)


# predictions ------------------------------------------------------------------------------------


@register_figure("predictions")
def predictions(study: Study) -> list[Plot]:
    """A dense task: image, labels, and what each network makes of every pixel.

    Slide "Dilated Convolution". A row for each image.
    """
    names = "input", "label", "class"
    maps = {name: study.array(f"predictions/{name}") for name in names}
    arms = [arm for arm in maps["class"] if all(arm in maps[name] for name in names)]
    if not arms:
        return []
    images, labels = as_picture(maps["input"][arms[0]]), maps["label"][arms[0]]  # (n, H, W)
    classes = 1 + int(max(labels.max(), *(maps["class"][arm].max() for arm in arms)))
    colors = mpl.colors.ListedColormap(sns.color_palette("colorblind", classes).as_hex())
    count, height, width = labels.shape
    columns = 2 + len(arms)
    panel = base.WIDTH / columns * height / width + 0.35
    figure, axes = base.grid(count * columns, columns, panel)
    look: dict[str, Any] = {"cmap": colors, "vmin": -0.5, "vmax": classes - 0.5}
    for row in range(count):
        image, labelled, *predicted = axes[row * columns : (row + 1) * columns]
        ignored = labels[row] < 0
        image.imshow(images[row], cmap="gray")
        image.set_title("image")
        labelled.set_title("labels")
        drawn = [(labelled, labels[row])]
        for ax, arm in zip(predicted, arms, strict=True):
            guess = maps["class"][arm][row]
            wrong = 0.0 if ignored.all() else float((guess != labels[row])[~ignored].mean())
            ax.set_title(f"{arm}: {100 * wrong:.0f} % wrong")
            drawn.append((ax, guess))
        for ax, given in drawn:
            ax.imshow(np.ma.masked_where(ignored, given), interpolation="nearest", **look)
    for ax in axes:
        base.bare(ax)
    tables = []
    for name in names:
        for arm in arms:
            values = maps[name][arm].ravel()
            about = {"arm": arm, "map": name, "pixel": range(values.size), "value": values}
            tables.append(pd.DataFrame(about))
    caption = base.caption(
        study,
        "The first images of the test split, the classes that are wanted (unlabelled pixels left "
        "out), and the class that each network gives, one colour a class.",
        f"{base.FIRST_SEED}.",
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("predictions", "Predictions, pixel by pixel", caption, figure, table)]
