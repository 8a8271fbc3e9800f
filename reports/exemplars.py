"""What hidden layers have learnt to see, in images of the test split (slides "Hidden Layers"; Zeiler & Fergus 2014; Krizhevsky et al. 2012, Figure 4)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dlgbench.reports import style
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

MOST = 2  # arms shown
STEP, WIDE = 1.1, 0.35  # from image to image, and what parts blocks of them, in images
OTHER = style.VERDICTS["refuted"]  # the frame of a neighbour of another class


def draw(study: Study) -> list[style.Drawing]:
    """The images that excite each unit, and those that look alike to each layer, of at most two arms."""
    return [*_excite(study), *_alike(study)]


def _sizes(study: Study, arm: str) -> tuple[int, ...]:
    """Layers, units, images, queries, and the side of an image."""
    return tuple(
        round(study.mean(f"exemplars/{name}", arm))
        for name in ("layers", "units", "images", "queries", "side")
    )


def _excite(study: Study) -> list[style.Drawing]:
    shown = {}
    for arm, values in list(study.picture("exemplars/top").items())[:MOST]:
        layers, units, images, _, side = _sizes(study, arm)
        shown[arm] = values.reshape(layers, units, images, side, side)
    if not shown:
        return []
    with style.styled():
        heights = [
            layers * 9.2 / (units * (images + WIDE)) + 0.5
            for layers, units, images, *_ in (pictures.shape for pictures in shown.values())
        ]
        figure = style.Figure(figsize=(9.2, sum(heights)))
        axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for ax, (arm, pictures) in zip(axes, shown.items(), strict=True):
            layers, units, images, *_ = pictures.shape
            strip = images * STEP
            for layer, unit, rank in np.ndindex(layers, units, images):
                _image(
                    ax,
                    pictures[layer, unit, rank],
                    unit * (strip + WIDE) + rank * STEP,
                    layer * STEP,
                )
            _frame(ax, units * (strip + WIDE), layers)
            ax.set_xticks(
                [unit * (strip + WIDE) + strip / 2 for unit in range(units)],
                [f"unit {unit + 1}" for unit in range(units)],
            )
            ax.set_title(arm)
    data = pd.concat(
        [
            _table(pictures, ("layer", "unit", "rank")).assign(arm=arm)
            for arm, pictures in shown.items()
        ],
        ignore_index=True,
    )
    caption = (
        "For units of each hidden layer (a row; layer 1 is next to the input) the images of the test split that excite the unit most, the strongest at the "
        f"left. What they have in common is what the unit looks for. Drawn: n = 1, the first seed. {sources(study)}"
    )
    return [style.Drawing("exemplars", "What excites a unit", caption, figure, data)]


def _alike(study: Study) -> list[style.Drawing]:
    query, nearest, same = (
        study.picture(f"exemplars/{name}") for name in ("query", "nearest", "nearest_same")
    )
    arms = [arm for arm in nearest if arm in query and arm in same][:MOST]
    if not arms:
        return []
    sizes = [_sizes(study, arm) for arm in arms]
    columns = max(queries for *_, queries, _ in sizes)
    tables = []
    with style.styled():
        heights = [layers * 9.2 / columns / (images + 2) + 0.5 for layers, _, images, *_ in sizes]
        figure, axes = style.grid(
            len(arms) * columns, columns, sum(heights) / len(arms), height_ratios=heights
        )
        for place, (arm, (layers, _, images, queries, side)) in enumerate(
            zip(arms, sizes, strict=True)
        ):
            asked, found = (
                query[arm].reshape(queries, side, side),
                nearest[arm].reshape(layers, queries, images, side, side),
            )
            alike = same[arm].reshape(layers, queries, images) > 0.5
            tables += [
                _table(asked, ("query",)).assign(arm=arm),
                _table(found, ("layer", "query", "rank")).assign(arm=arm, same=alike.ravel()),
            ]
            row = axes[place * columns : (place + 1) * columns]
            for number, ax in enumerate(row[:queries]):
                _image(ax, asked[number], 0, (layers - 1) * STEP / 2)
                for layer, rank in np.ndindex(layers, images):
                    _image(
                        ax,
                        found[layer, number, rank],
                        1 + WIDE + rank * STEP,
                        layer * STEP,
                        framed=not alike[layer, number, rank],
                    )
                _frame(ax, 1 + WIDE + images * STEP, layers)
                ax.set_xticks([0.5, 1 + WIDE + images * STEP / 2], ["query", "nearest"])
            for ax in row[queries:]:
                ax.set_visible(False)
            row[0].set_title(arm)
    caption = (
        "An image of the test split (the query, left) and for each hidden layer (a row; layer 1 is next to the input) the other test images whose "
        "activations in that layer lie nearest to the query's, the nearest first. An orange frame: the image is of another class than the query. "
        f"Drawn: n = 1, the first seed. {sources(study)}"
    )
    return [
        style.Drawing(
            "neighbours",
            "What looks alike to a layer",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]


def _image(ax: Axes, image: np.ndarray, x: float, y: float, *, framed: bool = False) -> None:
    """A picture of size 1 x 1, each to its own contrast, its upper left corner at (x, y)."""
    ax.imshow(image, cmap="gray", extent=(x, x + 1, y + 1, y), interpolation="nearest")
    if framed:
        ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=OTHER, linewidth=2))


def _frame(ax: Axes, width: float, layers: int) -> None:
    """Axes that hold `width` images across, and a row for each layer."""
    style.bare(ax)
    ax.set(xlim=(-0.1, width), ylim=(layers * STEP, -0.1), aspect="equal")
    ax.set_yticks(
        [layer * STEP + 0.5 for layer in range(layers)],
        [f"layer {layer + 1}" for layer in range(layers)],
    )
    ax.tick_params(length=0)


def _table(images: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """A row for each image: where it stands, counted from 1, and its pixels, row by row."""
    places = np.indices(images.shape[:-2]).reshape(len(names), -1) + 1
    pixels = images.reshape(places.shape[1], -1).round(4)
    return pd.concat(
        [
            pd.DataFrame(dict(zip(names, places, strict=True))),
            pd.DataFrame(pixels).add_prefix("pixel_"),
        ],
        axis=1,
    )
