"""Kernels beside what they answer, and receptive fields of many architectures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base, images
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot


def _table(name: str, arrays: Iterable[tuple[str, np.ndarray]]) -> pd.DataFrame:
    """Every number of some arrays, in C order, with the arm that each is of."""
    rows = [
        pd.DataFrame({"arm": arm, "place": range(array.size), name: array.ravel()})
        for arm, array in arrays
    ]
    return pd.concat(rows, ignore_index=True)


# edge filters -----------------------------------------------------------------------------------

SOBEL = "Sobel"


@register_figure("edge_kernels")
def edge_kernels(study: Study) -> list[Plot]:
    """The kernel of each arm beside Sobel's.

    Slide "Learning an edge filter".
    """
    kernels, sobel = study.array("edge_filter/kernel"), study.array("edge_filter/sobel")
    if not kernels:
        return []
    shown = [*kernels.items(), (SOBEL, next(iter(sobel.values())))]
    figure, axes = base.grid(len(shown), 4, base.WIDTH / 4 + 0.45)
    for ax, (arm, kernel) in zip(axes, shown, strict=True):
        ax.imshow(kernel, cmap="RdBu_r", vmin=-2, vmax=2)
        for (row, column), weight in np.ndenumerate(kernel):
            color = style.ON_DARK if abs(weight) > 1.3 else style.ON_PALE
            look: dict[str, Any] = {"ha": "center", "va": "center", "color": color}
            ax.text(column, row, f"{weight + 0.0:.2f}".replace("-0.00", "0.00"), **look)
        error = study.mean("edge_filter/kernel_error", arm) if arm != SOBEL else 0.0
        ax.set_title(f"{arm}\nlargest error {words.number(error, 2)}")
        base.bare(ax)
    caption = base.caption(
        study,
        "The learnt kernel of each arm, and Sobel's. Blue is negative, red positive, from −2 to 2. "
        "Largest error: of a weight, the mean over all seeds.",
        f"{base.FIRST_SEED}.",
    )
    return [Plot("edge_kernels", "Learnt kernels", caption, figure, _table("weight", shown))]


@register_figure("edge_pictures")
def edge_pictures(study: Study) -> list[Plot]:
    """A photograph, its edges by Sobel, and what the kernel of each arm answers."""
    photographs, edges, responses = (
        study.array(f"edge_filter/{name}") for name in ("photograph", "edges", "response")
    )
    if not responses:
        return []
    first = next(iter(photographs))
    shown = [
        ("photograph", photographs[first]),
        ("its edges by Sobel", edges[first]),
        *responses.items(),
    ]
    size = float(np.abs(edges[first]).max())
    figure, axes = base.grid(len(shown), 4, base.WIDTH / 4 + 0.45)
    for ax, (name, picture) in zip(axes, shown, strict=True):
        if name == "photograph":
            ax.imshow(picture, cmap="gray")
            ax.set_title(f"{name}\n")
        else:
            ax.imshow(picture, cmap="RdBu_r", vmin=-size, vmax=size)
            error = study.mean("edge_filter/picture_error", name) if name in responses else 0.0
            ax.set_title(f"{name}\nrelative error {words.number(error, 2)}")
        base.bare(ax)
    caption = base.caption(
        study,
        "A photograph from which no patch was trained, Sobel's response to it, and the net's of "
        "each arm, to one scale (blue negative, red positive). Relative error: RMS of the "
        "difference from Sobel's response over RMS of that response, the mean over all seeds.",
        f"{base.FIRST_SEED}.",
    )
    table = _table("value", shown)
    return [Plot("edge_pictures", "Edges of a photograph", caption, figure, table)]


# receptive fields -------------------------------------------------------------------------------

GRADIENT, ARITHMETIC, _ = images.MEASURED


@register_figure("field_table")
def field_table(study: Study) -> list[Plot]:
    """Receptive fields by gradient and by arithmetic, of more nets than `receptive_fields` draws.

    Slide "Receptive field arithmetic".
    """
    values = pd.concat([study.values(name) for name in (GRADIENT, ARITHMETIC)], ignore_index=True)
    if values.empty or values["value"].nunique() <= images.MOST_FIELDS:
        return []
    columns = {"index": "arm", "columns": "metric", "values": "value"}
    data = values.pivot_table(**columns, aggfunc="first", sort=False)
    data = data.sort_values(ARITHMETIC, kind="stable").reset_index()
    figure = Figure(figsize=(base.WIDTH, 0.175 * len(data) + 0.7))
    ax = figure.subplots()
    rows = range(len(data))
    ring: dict[str, Any] = {"s": 52, "facecolor": "none", "edgecolor": style.ARMS[1]}
    ax.scatter(data[ARITHMETIC], rows, **ring, linewidth=1.4, label="by arithmetic")
    ax.scatter(data[GRADIENT], rows, s=14, color=style.ARMS[0], label="by gradient")
    end = 1.6 * float(data[ARITHMETIC].max())
    for row, (gradient, arithmetic) in enumerate(
        zip(data[GRADIENT], data[ARITHMETIC], strict=True)
    ):
        agree = "=" if gradient == arithmetic else "≠"
        text = f"{gradient:.0f} {agree} {arithmetic:.0f}"
        ax.text(end, row, text, va="center", ha="left", fontsize=7.5)
    base.name_rows(ax, list(data["arm"]))
    ax.tick_params(axis="y", labelsize=7.5)
    ax.set(xscale="log", xlabel="side of the receptive field, pixels", xlim=(0.8, end))
    ax.legend(loc="lower left")
    caption = base.caption(
        study,
        "Side of the patch that a unit of the last map depends on: by gradient (dots) and by "
        "arithmetic (rings), and at the right both numbers. Exact: n = 1.",
    )
    return [Plot("field_table", "Arithmetic against gradient", caption, figure, data)]


@register_figure("fields_over_input")
def fields_over_input(study: Study) -> list[Plot]:
    """Theoretical and effective field of a unit in the middle over an input, for each architecture.

    Slide "Receptive field arithmetic"; Luo et al. 2016.
    """
    frames, pictures, gradients = (
        study.array(f"field_over_input/{name}") for name in ("frame", "image", "gradient")
    )
    if not gradients:
        return []
    alike: dict[tuple[tuple[int, ...], bytes], list[str]] = {}
    for arm, gradient in gradients.items():
        seen = tuple(map(int, frames[arm])), gradient.round(2).tobytes()
        alike.setdefault(seen, []).append(arm)
    order = sorted(alike.values(), key=lambda arms: _size(frames[arms[0]]))
    figure, axes = base.grid(len(order), 6, base.WIDTH / 6 + 0.25)
    rows = []
    for ax, arms in zip(axes, order, strict=True):
        frame, gradient = tuple(map(int, frames[arms[0]])), gradients[arms[0]]
        _over_input(ax, pictures[arms[0]], gradient, frame)
        height, width, top, bottom, *_ = frame
        effective = float(((gradient > EFFECTIVE).mean() * height * width) ** 0.5)
        title = "\n".join(_lines(arms, 22))
        sizes = f"{bottom - top + 1}, effective {words.number(effective, 2)}"
        ax.set_title(f"{title}\n{sizes},\nof {height} × {width}", fontsize=7)
        rows += [(arm, *frame, effective) for arm in arms]
    names = ["arm", "height", "width", "top", "bottom", "left", "right", "effective"]
    caption = base.caption(
        study,
        "The pixels that a unit in the middle of the last map depends on (blue square), over an "
        "input of the net's own size: a photograph, scaled to it. A field larger than its input "
        "sees only padding beyond. Orange: how strongly it depends on each, as the root mean "
        "square of its gradient at random weights, calculated and not drawn: without "
        "nonlinearity, and with normalization as it is before a training; in nets that "
        "concatenate, weights that are drawn give a field about a third smaller. The line is at "
        "4.55 % of the largest. Each title: side of the field; of a square of as many pixels as "
        "are within the line, on this input; and sides of the input. Exact: n = 1.",
    )
    table = pd.DataFrame(rows, columns=names)
    return [Plot("fields_over_input", "Fields over an input", caption, figure, table)]


EFFECTIVE = 1 - 0.9545  # of a Gaussian, outside two standard deviations


def _size(frame: np.ndarray) -> tuple[int, int]:
    """The input's height, and the side of the field."""
    return int(frame[0]), int(frame[3] - frame[2])


def _over_input(
    ax: Axes, picture: np.ndarray, gradient: np.ndarray, frame: tuple[int, ...]
) -> None:
    height, width, top, bottom, left, right = frame
    ax.imshow(picture, cmap="gray", extent=(0, width, height, 0))
    heat = np.zeros((*gradient.shape, 4))
    heat[...] = to_rgba(style.ARMS[1])
    heat[..., 3] = 0.8 * gradient
    ax.imshow(heat, extent=(0, width, height, 0), interpolation="nearest")
    if gradient.min() < EFFECTIVE:
        rows, columns = (
            (np.arange(count) + 0.5) * side / count
            for count, side in zip(gradient.shape, (height, width), strict=True)
        )
        look: dict[str, Any] = {"colors": [style.ARMS[1]], "linewidths": 1.0}
        ax.contour(columns, rows, gradient, [EFFECTIVE], **look)
    corner, sides = (left, top), (right + 1 - left, bottom + 1 - top)
    color = style.ARMS[0]
    ax.add_patch(Rectangle(corner, *sides, facecolor="none", edgecolor=color, linewidth=1.4))
    low, high = min(0, left, top), max(width, height, right + 1, bottom + 1)
    room = 0.03 * (high - low)
    ax.set(xlim=(low - room, high + room), ylim=(high + room, low - room), aspect="equal")
    base.bare(ax)


def _lines(names: list[str], width: int) -> list[str]:
    """Names in lines of at most `width` characters where they fit; at most two lines."""
    lines = [""]
    for name in names:
        joined = f"{lines[-1]}, {name}" if lines[-1] else name
        if len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(name)
    return (
        lines if len(lines) <= 2 else [lines[0], f"and {len(names) - lines[0].count(',') - 1} more"]
    )


# filters and feature maps -----------------------------------------------------------------------


@register_figure("feature_maps")
def feature_maps(study: Study) -> list[Plot]:
    """First-layer filters and, below each arm's, the feature maps that they give of one image.

    Slide "Convolutional Network and Filter Visualizations".
    """
    inputs, filters, maps = (
        study.array(f"feature_maps/{name}") for name in ("input", "filters", "maps")
    )
    if not maps:
        return []
    columns = len(maps)
    figure, axes = base.grid(3 * columns, columns, base.WIDTH / min(columns, 4) * 0.9)
    for place, arm in enumerate(maps):
        image, kernels, answers = axes[place::columns]
        image.imshow(images.as_picture(inputs[arm]), cmap="gray")
        image.set_title(f"{arm}\nimage")
        kernels.imshow(images.sheet(filters[arm]), cmap="gray", interpolation="nearest")
        rough = study.mean("filters/roughness", arm)
        count, _, *sides = filters[arm].shape
        size = f"{count} filters of {'x'.join(map(str, sides))}"
        kernels.set_title(f"{size}\nroughness {words.number(rough, 2)}")
        answers.imshow(images.sheet(maps[arm][:, None]), cmap="gray", interpolation="nearest")
        answers.set_title("feature maps")
    for ax in axes:
        base.bare(ax)
    caption = base.caption(
        study,
        "An image of the test split, filters of the first layer, and what each makes of the image "
        "after the activation, at the same places; every filter and map to its own contrast. "
        "Roughness: 2 for white noise, near 0 for what is smooth; its mean over all seeds.",
        f"{base.FIRST_SEED}.",
    )
    table = _table("value", [*filters.items(), *((f"{arm}, maps", maps[arm]) for arm in maps)])
    return [Plot("feature_maps", "Filters and feature maps", caption, figure, table)]
