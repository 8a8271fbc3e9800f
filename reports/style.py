"""How figures look and how they are written: colours, fonts, and the three files of each."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

INK, SOFT, GRID, ZONE, PAPER = "#22272e", "#66707c", "#e3e6ea", "#e4edf5", "#ffffff"
VERDICTS = {
    "supported": "#0071b2",
    "refuted": "#d45e00",
    "inconclusive": "#7f8790",
}  # blue, orange, grey: told apart by the colour-blind
SYMBOLS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not run": "–"}
MARKERS = {"supported": "o", "refuted": "s", "inconclusive": "D"}
ARMS: list[str] = [
    sns.color_palette("colorblind").as_hex()[place] for place in (0, 1, 2, 3, 4, 9, 5, 7)
]  # without its pale pink and yellow
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
# What these colours become on a dark page.
DARK = {
    INK: "#dfe3e8",
    SOFT: "#97a0ab",
    GRID: "#2a3037",
    ZONE: "#1e2c3a",
    PAPER: "#15181c",
    VERDICTS["supported"]: "#4fa8e0",
    VERDICTS["refuted"]: "#ee8540",
    VERDICTS["inconclusive"]: "#98a1ab",
}

RC: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 8.5,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "dlgbench",
}


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure with the numbers in it.

    Args:
        name: one word, the file's name.
        title: what is to be seen.
        caption: how to read it, with n, data set, scale and device.
        figure: the matplotlib figure, made on no display.
        data: every number that is drawn.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    data: pd.DataFrame


@contextmanager
def styled() -> Iterator[None]:
    """The report's look, within the block only."""
    with mpl.rc_context(RC):
        yield


def grid(
    count: int, columns: int, height: float, width: float = 9.2, **more: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes in rows of `columns`, each row `height` inches high; within `styled()`."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, height * rows))
    axes = list(figure.subplots(rows, columns, squeeze=False, **more).flat)
    for ax in axes[count:]:
        ax.set_visible(False)
    return figure, axes[:count]


def bare(ax: Axes) -> None:
    """Axes for a picture: no ticks, grid or frame."""
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def spread(count: int) -> list[str]:
    """So many colours in order, pale to deep; both ends are seen on a light and a dark page, and by the colour-blind."""
    return list(sns.color_palette("viridis", count + 2).as_hex())[1:-1]


def readable(axis: Axis, start: float, end: float) -> None:
    """Plain numbers on a logarithmic axis that spans less than three decades, 20 and not 2 x 10^1."""
    if 0 < start < end < 1000 * start:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def legend_beside(ax: Axes, title: str = "") -> None:
    """A legend to the right of the axes, where it covers no data."""
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0,
        handlelength=2.6,
        title=title or None,
        alignment="left",
    )


def write(drawing: Drawing, folder: Path) -> Path:
    """Writes PNG, SVG and CSV; returns the PNG's path."""
    folder.mkdir(parents=True, exist_ok=True)
    png, buffer = folder / f"{drawing.name}.png", io.StringIO()
    with styled():
        drawing.figure.savefig(png, dpi=160, facecolor="white")
        drawing.figure.set_layout_engine(
            "none"
        )  # it keeps the layout that was found for the first file: half of the time
        drawing.figure.savefig(
            buffer, format="svg", dpi=120, transparent=True, metadata={"Date": None}
        )  # dpi: of what is rasterized
    png.with_suffix(".svg").write_text(_adapted(buffer.getvalue()), encoding="utf-8")
    drawing.data.to_csv(png.with_suffix(".csv"), index=False)
    return png


def _adapted(svg: str) -> str:
    """An SVG's text with the colours that a dark page wants, and no more than two decimals in its coordinates (a hundredth of a point)."""
    rules = (
        f'[style*="{part}: {light}"] {{{part}: {dark} !important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    svg = svg.replace(
        "</style>", f"@media (prefers-color-scheme: dark) {{{' '.join(rules)}}}</style>", 1
    )
    return re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), svg)
