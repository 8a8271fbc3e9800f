"""How plots look and how they are written: colours, fonts, and the three files of each."""

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
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogFormatterMathtext

from dlgbench.words import RAISED

INK, SOFT, GRID, ZONE, PAPER = "#22272e", "#66707c", "#e3e6ea", "#e4edf5", "#ffffff"
ON_DARK, ON_PALE = "#fefefe", "#111111"  # on cells whose colours do not change with the page
# Blue, orange, grey: told apart by the colour-blind.
VERDICTS = {"supported": "#0071b2", "refuted": "#d45e00", "inconclusive": "#7f8790"}
SYMBOLS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not run": "–"}
ENDS = (".png", ".svg", ".csv")  # of the files of a plot
MARKERS = {"supported": "o", "refuted": "s", "inconclusive": "D"}
_PALETTE = sns.color_palette("colorblind").as_hex()
ARMS: list[str] = [_PALETTE[place] for place in (0, 1, 2, 3, 4, 9, 5, 7)]  # no pale pink, no yellow
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
class Plot:
    """A picture with the numbers in it.

    Args:
        name: one word, the file's name; another for each plot of an ablation.
        title: what is to be seen.
        caption: how to read it, with n, data set, scale and device.
        figure: the matplotlib figure; `matplotlib.figure.Figure()` needs no display.
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


def write(plot: Plot, folder: Path) -> Path:
    """Writes PNG, SVG and CSV; returns the PNG's path."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_powers_plainly(plot.figure)
    png, buffer = folder / f"{plot.name}.png", io.StringIO()
    with styled(), _laid_out(plot.figure, dpi=160):
        fast = {"compress_level": 1}  # a fifth larger, and made a fifth faster
        plot.figure.savefig(png, dpi=160, facecolor="white", pil_kwargs=fast)
        options: dict[str, Any] = {"dpi": 120, "transparent": True}  # dpi: of what is rasterized
        plot.figure.savefig(buffer, format="svg", metadata={"Date": None}, **options)
    png.with_suffix(".svg").write_text(_adapted(buffer.getvalue()), encoding="utf-8")
    plot.data.to_csv(png.with_suffix(".csv"), index=False)
    return png


class _PlainPowers(Formatter):
    """The labels of a logarithmic axis as 10⁻³: mathematical text is parsed, which takes time."""

    def __init__(self, labels: LogFormatterMathtext) -> None:
        self._labels = labels

    def set_locs(self, locs: Any) -> None:
        self._labels.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = re.sub(r"^\$\\mathdefault\{(.*)\}\$$", r"\1", self._labels(x, pos))
        text = text.replace("-", "−").replace(r"\times", " × ")
        return re.sub(r"\^\{(.*)\}", lambda power: power[1].translate(RAISED), text)


def _write_powers_plainly(figure: Figure) -> None:
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if isinstance(labels := axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(_PlainPowers(labels))
        if isinstance(labels := axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(_PlainPowers(labels))


@contextmanager
def _laid_out(figure: Figure, dpi: float) -> Iterator[None]:
    """Lays a figure out once, for all the files that are written within the block.

    With a layout engine `savefig` draws each file twice, the first time for the layout alone; and
    it sets the engine back when it ends, to the one that is configured by then.
    """
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        if figure.axes and (engine := figure.get_layout_engine()):
            before = figure.dpi
            figure.set_dpi(dpi)
            engine.execute(figure)
            figure.set_layout_engine(None)
            figure.set_dpi(before)
        yield


def _adapted(svg: str) -> str:
    """An SVG's text with the colours of a dark page, and coordinates of two decimals at most.

    A hundredth of a point is finer than any screen.
    """
    rules = (
        f'[style*="{part}: {light}"] {{{part}: {dark} !important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    dark_page = f"@media (prefers-color-scheme: dark) {{{' '.join(rules)}}}</style>"
    svg = svg.replace("</style>", dark_page, 1)
    return re.sub(r' (?:d|x|y)="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match[0]), svg)
