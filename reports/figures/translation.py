"""From image to image: what the networks give, their error by frequency, their checkerboards."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dlgbench.registry import register_figure
from dlgbench.reports import words
from dlgbench.reports.figures import base, panels
from dlgbench.reports.study import Study
from dlgbench.reports.style import INK, Plot

# what the networks give -------------------------------------------------------------------------

MOST_ROWS = 4
WIDEST = 1.6  # inches, of a picture
MOST_WITH_ERRORS = 3  # arms; with more, their errors would make the pictures too small
GREY: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1}
SIGNED: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -0.3, "vmax": 0.3}


@register_figure("outputs")
def outputs(study: Study) -> list[Plot]:
    """Input, target and output of each network; in grey, also the error. A plot for each data set.

    Slides "Colorization Network", "Encoder-decoder with skip connections". Colours (a, b) are shown
    together with the lightness that was the input.
    """
    images = study.array("outputs/image")
    by_data: dict[str, list[str]] = {}
    for arm in images:
        by_data.setdefault(str(study.works[arm].data), []).append(arm)
    return [_outputs(study, data, arms, len(by_data)) for data, arms in by_data.items()]


def _outputs(study: Study, data: str, arms: list[str], plots: int) -> Plot:
    x, y = (study.array(f"outputs/{name}")[arms[0]][:MOST_ROWS] for name in ("input", "target"))
    images = {arm: study.array("outputs/image")[arm][:MOST_ROWS] for arm in arms}
    colours = x.shape[1] == 1 and y.shape[1] == 2
    metric = "mse" if colours else "psnr"
    pictures = {"target": _shown(y, x)}
    if not np.array_equal(x, y):
        pictures = {"input": _shown(x)} | pictures
    for arm, z in images.items():
        value = words.number(study.mean(f"test/{metric}", arm), 3)
        pictures[f"{arm}\n{f'MSE {value}' if colours else f'{value} dB'}"] = _shown(z, x)
    errors = {}
    if not colours and len(arms) <= MOST_WITH_ERRORS:
        errors = {f"error of\n{arm}": (z - y).mean(1) for arm, z in images.items()}
    columns = len(pictures) + len(errors)
    rows = len(x)
    side = min(base.WIDTH / columns, WIDEST)
    panel = side * x.shape[2] / x.shape[3]
    figure, axes = base.grid(rows * columns, columns, panel + 0.5 / rows, side * columns)
    for place, (name, stack) in enumerate((pictures | errors).items()):
        look = SIGNED if name in errors else GREY
        for row in range(rows):
            ax = axes[row * columns + place]
            ax.imshow(stack[row], interpolation="nearest", **look)
            base.bare(ax)
        axes[place].set_title(name)
    error = "The error is output less target, from -0.3 (blue) to 0.3 (red)." if errors else ""
    lab = "The grey input with the colours (a, b) of target or network, CIELAB." if colours else ""
    mean = "the mean squared error of (a, b) / 110" if colours else "the PSNR"
    caption = base.caption(
        study,
        "Images of the test split, what is wanted, and what each network gives; above them "
        f"{mean} over the test split, the mean over all seeds.",
        lab,
        error,
        f"{base.FIRST_SEED}.",
        data=[data],
    )
    name = "outputs" if plots == 1 else f"outputs_{data}"
    return Plot(name, "What the networks give", caption, figure, _table(x, y, images))


def _shown(images: np.ndarray, lightness: np.ndarray | None = None) -> np.ndarray:
    """Images (n, C, H, W) as `Axes.imshow` takes them, with values in [0, 1].

    Two channels are (a, b) / 110 and need the lightness L / 100, (n, 1, H, W).
    """
    if images.shape[1] == 2 and lightness is not None:
        from skimage.color import lab2rgb

        lab = np.concatenate([100 * lightness.clip(0, 1), 110 * images.clip(-1, 1)], 1)
        return np.asarray(lab2rgb(np.moveaxis(lab, 1, -1)))
    if images.shape[1] == 3:
        return np.moveaxis(images, 1, -1).clip(0, 1)
    return np.asarray(images.mean(1))


def _table(x: np.ndarray, y: np.ndarray, images: dict[str, np.ndarray]) -> pd.DataFrame:
    """Every number of the pictures in C order."""
    return pd.concat(
        [
            pd.DataFrame({"picture": name, "place": range(z.size), "value": z.ravel().round(4)})
            for name, z in ({"input": x, "target": y} | images).items()
        ],
        ignore_index=True,
    )


# error by frequency -----------------------------------------------------------------------------

BY_BAND = "high_frequency/by_band"


@register_figure("by_band")
def by_band(study: Study) -> list[Plot]:
    """The error's power over the target's in each band of frequency, a panel for each data set."""
    points = study.history(BY_BAND).dropna(subset="value")
    if points.empty:
        return []
    bands = int(points["step"].max())
    points = points.assign(frequency=(points["step"] - 0.5) / bands)
    line = base.over_seeds(points, "metric", "arm", "frequency", log=True)
    works = {arm: study.works[arm] for arm in study.arms if arm in set(line["arm"])}
    by_data: dict[str, list[str]] = {}
    for arm, work in works.items():
        by_data.setdefault(str(work.data), []).append(arm)
    looks = panels.looks(works, by_data)
    figure, axes = base.grid(len(by_data), 2, 2.9, sharey=True)
    for ax, (data, arms) in zip(axes, by_data.items(), strict=True):
        for arm in arms:
            color, dash = looks[arm]
            look: dict[str, Any] = {"linestyle": dash, "marker": "o", "markersize": 3}
            base.band(ax, line[line["arm"] == arm], "frequency", color, label=arm, **look)
        ax.axhline(1, color=INK, linewidth=0.8, linestyle=":")
        ax.set(yscale="log", title=data, xlim=(0, 1), xlabel="frequency / Nyquist frequency")
        ax.legend(loc="lower right")
    axes[0].set_ylabel("power of the error / of the target")
    caption = base.caption(
        study,
        "0 is a perfect image; at the dotted line, 1, an output without any of the target's detail "
        "in the band; above it false detail.",
        f"On the test split; geometric mean over n = {words.counts(line['n'])} seeds, with "
        "Student's 95 % interval of the logarithm.",
        base.left_out(study),
    )
    return [Plot("by_band", "Error by frequency", caption, figure, line)]


# checkerboards ----------------------------------------------------------------------------------

MOMENTS = {"checkerboard_start": "before training", "checkerboard": "after training"}
SHARES: dict[str, Any] = {"cmap": "viridis", "norm": mpl.colors.LogNorm(1e-6, 1e-1)}


@register_figure("checkerboards")
def checkerboards(study: Study) -> list[Plot]:
    """An output of each network and the spectrum of its outputs, before and after training.

    Slide "Up-sampling". A column for each arm.
    """
    moments = {name: text for name, text in MOMENTS.items() if study.array(f"{name}/image")}
    if not moments:
        return []
    arms = list(study.array(f"{next(iter(moments))}/image"))
    columns = max(len(arms), 2)
    side = base.WIDTH / columns
    figure, axes = base.grid(2 * len(moments) * columns, columns, side + 0.3)
    for ax in axes:
        base.bare(ax)
    tables = []
    for row, (moment, text) in enumerate(moments.items()):
        images, spectra = (study.array(f"{moment}/{name}") for name in ("image", "spectrum"))
        for column, arm in enumerate(arms):
            image, power = images[arm][0].mean(0), spectra[arm] / spectra[arm].sum()
            above, below = (axes[(2 * row + k) * columns + column] for k in (0, 1))
            above.imshow(image, cmap="gray", interpolation="nearest")
            below.imshow(power, interpolation="nearest", **SHARES)
            share = words.number(100 * study.mean(moment, arm), 2)
            above.set_title(f"{arm}\n{share} %" if row == 0 else f"{share} %")
            for name, values in (("image", image), ("spectrum", power)):
                about = {"moment": moment, "arm": arm, "picture": name}
                tables.append(
                    pd.DataFrame({**about, "place": range(values.size), "value": values.ravel()})
                )
        _name_row(axes[2 * row * columns], f"{text}:\noutput")
        _name_row(axes[(2 * row + 1) * columns], "spectrum")
    for ax in axes[len(arms) :: columns] if len(arms) < columns else []:
        ax.set_visible(False)
    caption = base.caption(
        study,
        "An output, to its own contrast, and the mean spectrum of the outputs, frequency 0 in the "
        "middle, which is left blank, each frequency's share of the power from 0.0001 % (dark) to "
        "10 % (bright). What repeats every two pixels lies in the first row and the first column; "
        "its share of the power, the mean over all seeds, stands above.",
        f"{base.FIRST_SEED}; rows of the training split.",
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("checkerboards", "Checkerboards and their spectra", caption, figure, table)]


def _name_row(ax: Axes, name: str) -> None:
    ax.set_ylabel(name, color=INK)
