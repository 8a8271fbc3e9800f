"""Pictures that a network gives of itself: its first filters, and how strongly each pixel of its receptive field counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dlgbench.reports import style, words
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

MOST = 64  # filters shown, in a square


def draw(study: Study) -> list[style.Drawing]:
    """First-layer filters and effective receptive fields, where they were recorded."""
    return [*_filters(study), *_fields(study)]


def _columns(arms: int) -> tuple[int, float]:
    return min(arms, 4), 9.2 if arms > 2 else 3.6 * arms


def _filters(study: Study) -> list[style.Drawing]:
    weights = study.picture("filters/weights")
    if not weights:
        return []
    tables = []
    columns, width = _columns(len(weights))
    with style.styled():
        figure, axes = style.grid(len(weights), columns, width / columns + 0.4, width)
        for ax, (arm, values) in zip(axes, weights.items(), strict=True):
            count, channels, side = (
                round(study.mean(f"filters/{name}", arm)) for name in ("count", "channels", "side")
            )
            ax.imshow(
                _sheet(values.reshape(count, channels, side, side)[:MOST]),
                cmap="gray",
                interpolation="nearest",
            )
            ax.set_title(
                f"{arm}\nroughness {words.number(study.mean('filters/roughness', arm), 2)}"
            )
            style.bare(ax)
            tables.append(pd.DataFrame({"arm": arm, "place": range(len(values)), "weight": values}))
    caption = (
        "The weights of the first layer's units as images, after training where there was any, each stretched to its own contrast. "
        f"Roughness: 2 for white noise, near 0 for what is smooth; its mean over all seeds. Drawn: n = 1, the first seed. {sources(study)}"
    )
    return [
        style.Drawing(
            "filters", "First-layer filters", caption, figure, pd.concat(tables, ignore_index=True)
        )
    ]


def _sheet(filters: np.ndarray) -> np.ndarray:
    """Filters (N, C, S, S) on a sheet with gaps: (H, W, 3) in [0, 1] for three channels, the mean over channels otherwise; nan between them."""
    images = np.moveaxis(filters, 1, -1) if filters.shape[1] == 3 else filters.mean(1)[..., None]
    low, high = images.min((1, 2, 3), keepdims=True), images.max((1, 2, 3), keepdims=True)
    images = (images - low) / np.where(high > low, high - low, 1)
    columns = int(np.ceil(len(images) ** 0.5))
    rows, side = -(-len(images) // columns), images.shape[1] + 1
    sheet = np.full(
        (rows * side - 1, columns * side - 1, images.shape[-1]),
        np.nan if images.shape[-1] == 1 else 1.0,
    )
    for place, image in enumerate(images):
        y, x = (side * k for k in divmod(place, columns))
        sheet[y : y + side - 1, x : x + side - 1] = image
    return sheet.squeeze(-1) if sheet.shape[-1] == 1 else sheet


def _fields(study: Study) -> list[style.Drawing]:
    maps = study.picture("effective_field/map")
    if not maps:
        return []
    tables = []
    columns, width = _columns(len(maps))
    widest = max(_theory(study, arm) for arm in maps)
    with style.styled():
        figure, axes = style.grid(len(maps), columns, width / columns + 0.4, width)
        for ax, (arm, values) in zip(axes, maps.items(), strict=True):
            rows, half = round(study.mean("effective_field/picture", arm)), _theory(study, arm) / 2
            ax.imshow(
                values.reshape(rows, -1),
                cmap="viridis",
                vmin=0,
                vmax=1,
                extent=(-half, half, -half, half),
                interpolation="nearest",
            )
            ax.set(
                xlim=(-widest / 2 - 0.5, widest / 2 + 0.5),
                ylim=(-widest / 2 - 0.5, widest / 2 + 0.5),
            )
            ax.set_title(
                f"{arm}: field {2 * half:.0f} × {2 * half:.0f}\neffective {words.number(study.mean('effective_field', arm), 2)}"
            )
            style.bare(ax)
            tables.append(
                pd.DataFrame({"arm": arm, "place": range(len(values)), "gradient": values})
            )
    caption = (
        "How strongly one output unit depends on each pixel of its receptive field, by gradient, from 0 (dark) to its largest (bright), to one scale; "
        f"effective: side of a square of as many pixels as have more than 4.55 % of the largest, the mean over all seeds. "
        f"Drawn: n = 1, the first seed. {sources(study)}"
    )
    return [
        style.Drawing(
            "fields",
            "Receptive fields by gradient",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]


def _theory(study: Study, arm: str) -> float:
    """The side of the receptive field, of which the effective one is a share."""
    return study.mean("effective_field", arm) / study.mean("effective_field/share", arm)
