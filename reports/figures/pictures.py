"""Images that networks make of images: sliding windows, codes, simplified sketches, pyramids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base
from dlgbench.reports.figures.images import as_picture
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

SIGNED = "RdBu_r"


def _show(ax: Axes, picture: np.ndarray, title: str = "", **look: Any) -> None:
    ax.imshow(picture, **{"cmap": "gray", "interpolation": "nearest"} | look)
    ax.set_title(title)
    base.bare(ax)


def _table(pictures: Mapping[str, np.ndarray], **about: str) -> pd.DataFrame:
    """A row for each number of the pictures, in C order."""
    tables = [
        pd.DataFrame({**about, "picture": name, "place": range(p.size), "value": p.ravel()})
        for name, p in pictures.items()
    ]
    return pd.concat(tables, ignore_index=True)


# sliding windows --------------------------------------------------------------------------------


@register_figure("sliding_windows")
def sliding_windows(study: Study) -> list[Plot]:
    """The map of one dense pass beside that of the sliding window, and how they differ.

    Slide "Fully Convolutional Neural Networks in Practice". A row for each arm.
    """
    image, dense, windows = (
        study.array(f"sliding/{name}") for name in ("image", "dense", "windows")
    )
    arms = [arm for arm in dense if arm in image and arm in windows]
    if not arms:
        return []
    figure, axes = base.grid(4 * len(arms), 4, base.WIDTH / 4 + 0.45)
    tables = []
    for row, arm in enumerate(arms):
        middle = tuple(side // 2 for side in dense[arm].shape[1:])
        shown = int(dense[arm][(slice(None), *middle)].argmax())
        scores, slid = dense[arm][shown], windows[arm][shown]
        apart = scores - slid
        largest = max(np.abs(scores).max(), np.abs(slid).max())
        error = study.mean("sliding/error", arm)
        look = {"cmap": SIGNED, "vmin": -largest, "vmax": largest}
        size = " × ".join(map(str, image[arm].shape[1:]))
        _show(axes[4 * row], as_picture(image[arm]), f"{arm}: canvas {size}")
        map_size = " × ".join(map(str, scores.shape))
        _show(axes[4 * row + 1], scores, f"one pass: {map_size}", **look)
        _show(axes[4 * row + 2], slid, "each window by itself", **look)
        _show(axes[4 * row + 3], apart, f"difference: {error:.1g} at most", **look)
        pictures = {"canvas": image[arm], "pass": scores, "windows": slid, "difference": apart}
        tables.append(_table(pictures, arm=arm))
    caption = base.caption(
        study,
        "A canvas of nine images; the score of the class that wins in the middle, from one pass of "
        "the convolutional form and from the classifier on each window; and their difference, to "
        "the same colours (blue below 0, red above). In the title: the largest difference of any "
        "class over the largest score, in float64, the mean over all seeds.",
        f"{base.FIRST_SEED}.",
        data=[study.works[arm].data for arm in arms[:1]],
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("sliding_windows", "One pass and the sliding window", caption, figure, table)]


# images to images -------------------------------------------------------------------------------


@register_figure("image_to_image")
def image_to_image(study: Study) -> list[Plot]:
    """Inputs, what each arm makes of them, and the targets where they are other images.

    Slides "Encoder-decoder", "Learning to simplify". A row for each arm.
    """
    output = study.array("images/output")
    sources, targets = study.array("images/input"), study.array("images/target")
    arms = [arm for arm in output if arm in sources and arm in targets]
    if not arms:
        return []
    rows, seen = [], set()
    for arm in arms:
        x, y = sources[arm], targets[arm]
        data = study.works[arm].data
        if data not in seen:  # what arms on one data set share is shown once
            seen.add(data)
            rows.append(("input", x))
            if not _alike(x, y):
                rows.append(("target", y))
        error = study.mean("test/mse", arm)
        rows.append((f"{arm}\nmse {error:.2g}", output[arm]))
    columns = len(output[arms[0]])
    figure, axes = base.grid(len(rows) * columns, columns, base.WIDTH / columns * 0.95)
    for row, (name, images) in enumerate(rows):
        for ax, picture in zip(axes[row * columns :], images, strict=False):
            look: dict[str, Any] = {} if "input" in name else {"vmin": 0, "vmax": 1}
            _show(ax, as_picture(picture), **look)
        axes[row * columns].set_ylabel(name)
    caption = base.caption(
        study,
        "Images of the test split at equal distances, and what each net makes of them, in [0, 1]; "
        "inputs each to their own contrast. mse: the arithmetic mean over all seeds and the whole "
        "split.",
        f"{base.FIRST_SEED}.",
    )
    tables = [_table({name: images}, row=str(k + 1)) for k, (name, images) in enumerate(rows)]
    table = pd.concat(tables, ignore_index=True)
    return [Plot("image_to_image", "Images from images", caption, figure, table)]


def _alike(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether x is y, up to one brightness and contrast."""
    return x.shape == y.shape and abs(np.corrcoef(x.ravel(), y.ravel())[0, 1]) > 1 - 1e-6


@register_figure("code_sizes")
def code_sizes(study: Study) -> list[Plot]:
    """Squared error on the test split over the size of the code, a line for each data set."""
    sizes = {
        arm: int(code)
        for arm, work in study.works.items()
        if (code := work.flat().get("model_args.code")) is not None
    }
    points = study.values("test/mse")
    points = points[points["arm"].isin(sizes)]
    if len(set(points["arm"].map(sizes))) < 2:
        return []
    points = points.assign(
        code=points["arm"].map(sizes), data=[study.works[arm].data for arm in points["arm"]]
    )
    lines = base.over_seeds(points, "data", "code", log=True)
    figure, (ax,) = base.grid(1, 1, 3.0, 5.6)
    for color, (name, line) in zip(style.ARMS, lines.groupby("data", sort=False), strict=False):
        base.whiskers(ax, line.sort_values("code"), "code", color, 5, label=str(name))
    ax.set(xscale="log", yscale="log", xlabel="units of the code", ylabel="test mse")
    base.fixed_ticks(ax.xaxis, sorted(set(lines["code"])))
    low, high = ax.get_ylim()
    base.readable(ax.yaxis, low, high)
    if lines["data"].nunique() > 1:
        ax.legend()
    caption = base.caption(
        study,
        "Squared error per pixel on the test split over the size of the code"
        f"{base.tuned(study)}. Geometric mean over n = {words.counts(lines['n'])} seeds, which a "
        "seed that learnt little moves less than the arithmetic one; bars: Student's 95 % interval "
        "of the mean logarithm.",
    )
    return [Plot("code_sizes", "Error by size of the code", caption, figure, lines)]


# pyramids ---------------------------------------------------------------------------------------


@register_figure("pyramids")
def pyramids(study: Study) -> list[Plot]:
    """A photograph, the bands of its pyramid, and what is left and lost without the details.

    Slide "Encoder-decoder with skip connections". A row for each arm.
    """
    image, coarse, lost = (study.array(f"pyramid/{name}") for name in ("image", "coarse", "lost"))
    arms = [arm for arm in image if arm in coarse and arm in lost]
    if not arms:
        return []
    figure, axes = base.grid(4 * len(arms), 4, base.WIDTH / 4 + 0.45)
    tables = []
    for row, arm in enumerate(arms):
        bands: list[np.ndarray] = []
        while (found := study.array(f"pyramid/band_{len(bands)}").get(arm)) is not None:
            bands.append(found[0, 0])
        largest = float(np.abs(lost[arm][0]).max())
        share = 100 * study.mean("pyramid/lost_all", arm)
        error = study.mean("pyramid/error", arm)
        _show(axes[4 * row], as_picture(image[arm][0]), f"{arm}: photograph", vmin=0, vmax=1)
        _show(axes[4 * row + 1], sheet(bands), f"{len(bands)} bands, put together: {error:.0e}")
        _show(axes[4 * row + 2], as_picture(coarse[arm][0]), "without details", vmin=0, vmax=1)
        look = {"cmap": SIGNED, "vmin": -largest, "vmax": largest}
        _show(
            axes[4 * row + 3], lost[arm][0].mean(0), f"lost: {share:.0f} % of the variance", **look
        )
        pictures = {"photograph": image[arm][0], "coarse": coarse[arm][0], "lost": lost[arm][0]}
        tables.append(_table(pictures | {f"band {k}": b for k, b in enumerate(bands)}, arm=arm))
    caption = base.caption(
        study,
        "A photograph; its bands, each detail to its own contrast with grey for 0; the image "
        "without all details, and what is lost with them (blue below 0, red above). In the titles: "
        "the largest error of the reconstruction from all bands over the largest pixel, in "
        "float64, and the share of the variance that is lost, over all photographs of the test "
        "split. Exact: n = 1.",
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("pyramids", "Pyramids", caption, figure, table)]


def sheet(bands: list[np.ndarray]) -> np.ndarray:
    """Bands (H, W) of a pyramid on one sheet in [0, 1], nan where there is none.

    A level of three details stands around the next one, as is usual for wavelets; levels of one
    detail stand side by side, with a pixel between them.
    """
    *details, approximation = [
        _scaled(band, signed=k + 1 < len(bands)) for k, band in enumerate(bands)
    ]
    if len(details) >= 3 and details[0].shape == details[1].shape:
        x = approximation
        while details:
            *details, horizontal, vertical, diagonal = details
            x = _fitted(x, diagonal.shape)
            x = np.block([[x, horizontal], [vertical, diagonal]])
        return x
    pieces = [*details, approximation]
    height, width = pieces[0].shape[0], sum(p.shape[1] + 1 for p in pieces[1:])
    below = max((p.shape[0] for p in pieces[1:]), default=0)
    whole = np.full((height + 1 + below, max(pieces[0].shape[1], width)), np.nan)
    whole[:height, : pieces[0].shape[1]] = pieces[0]
    left = 0
    for piece in pieces[1:]:
        whole[height + 1 : height + 1 + piece.shape[0], left : left + piece.shape[1]] = piece
        left += piece.shape[1] + 1
    return whole


def _fitted(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The image cropped, as bands of odd sides differ by a pixel."""
    return x[: shape[0], : shape[1]]


def _scaled(band: np.ndarray, *, signed: bool) -> np.ndarray:
    """A detail with 0 at 1/2; an approximation from its least value to its largest."""
    if signed:
        return 0.5 + band / (2 * (np.abs(band).max() or 1))
    low, high = band.min(), band.max()
    return np.asarray((band - low) / ((high - low) or 1))
