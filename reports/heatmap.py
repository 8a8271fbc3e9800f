"""What trains at which depth with which trick, and the frontier of each (slides "Vanishing Gradients Problem" to "Residual Network")."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dlgbench.reports import style, words
from dlgbench.reports.captions import sources
from dlgbench.reports.ladders import ladders
from dlgbench.reports.study import Study

LEAST, METRIC = 3, "test/error"
DARK, PALE = "#111111", "#fefefe"  # on cells whose colours do not change with the page


def limit(study: Study) -> float | None:
    """The test error up to which a net counts as trained, as the first claim says that wants an arm's to be at most so much; None where none does."""
    for claim in study.ablation.claims_at(study.scale):
        if (
            claim.threshold.kind == "at_most"
            and len(claim.effect.needs) == 1
            and claim.effect.needs[0][0] == METRIC
        ):
            return claim.threshold.high
    return None


def frontier(errors: dict[int, float], most: float) -> int | None:
    """The deepest depth up to which every depth that was tried trains; None where the shallowest does not."""
    deepest = None
    for depth, error in sorted(errors.items()):
        if not error <= most:
            break
        deepest = depth
    return deepest


def draw(study: Study) -> list[style.Drawing]:
    """Test error over depth and trick; none with fewer than three tricks, or where no claim says what "trains" means."""
    tricks, most = ladders(study), limit(study)
    if len(tricks) < LEAST or most is None:
        return []
    depths = sorted({depth for arms in tricks.values() for depth in arms})
    diverged = study.diverged()
    rows = []
    for trick, arms in tricks.items():
        errors = {
            depth: float("inf") if arm in diverged else study.mean(METRIC, arm)
            for depth, arm in arms.items()
        }
        edge = frontier(errors, most)
        rows += [
            (trick, depth, errors[depth], diverged.count(arms[depth]), edge == depth)
            for depth in errors
        ]
    data = pd.DataFrame(rows, columns=["trick", "depth", METRIC, "diverged", "frontier"])
    with style.styled():
        figure, (ax,) = style.grid(1, 1, 0.9 + 0.45 * len(tricks))
        table = data.pivot_table(
            index="trick", columns="depth", values=METRIC, sort=False, aggfunc="first"
        ).reindex(index=list(tricks), columns=depths)
        _cells(ax, table, data)
        _frontier(ax, data, list(tricks), depths)
        ax.set_xticks(range(len(depths)), list(map(str, depths)))
        ax.set_yticks(range(len(tricks)), list(tricks), color=style.INK)
        ax.set(xlabel="depth, in layers")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.grid(visible=False)
        colours = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), _colours())
        figure.colorbar(colours, ax=ax, label="test error", pad=0.01, fraction=0.03)
    seeds = words.counts(study.figures(METRIC).groupby("arm").size())
    lost = " ∞: a run diverged." * bool(len(diverged))
    caption = (
        f"Mean test error over n = {seeds} seeds. Thick line: each trick's frontier, up to which every depth trains "
        f"(test error at most {words.number(most)}).{lost} {sources(study)}"
    )
    return [style.Drawing("heatmap", "What trains at which depth", caption, figure, data)]


def _colours() -> mpl.colors.Colormap:
    return mpl.colormaps["cividis_r"]


def _cells(ax: Axes, table: pd.DataFrame, data: pd.DataFrame) -> None:
    colours = _colours()
    values = table.to_numpy()
    ax.imshow(np.where(np.isinf(values), 1.0, values), cmap=colours, vmin=0, vmax=1, aspect="auto")
    lost = data.groupby(["trick", "depth"])["diverged"].sum()
    for row, trick in enumerate(table.index):
        for column, depth in enumerate(table.columns):
            value = values[row, column]
            if (trick, depth) in lost.index:
                text = "∞" if np.isinf(value) else f"{value:.2f}"
                ax.text(
                    column,
                    row,
                    text,
                    ha="center",
                    va="center",
                    color=PALE if min(value, 1) > 0.55 else DARK,
                )


def _frontier(ax: Axes, data: pd.DataFrame, tricks: list[str], depths: list[int]) -> None:
    """A staircase right of each trick's last depth that trains."""
    edges = data[data["frontier"]].set_index("trick")["depth"]
    x = [
        depths.index(edges[trick]) + 0.5 if trick in edges.index else -0.5
        for trick in tricks
        for _ in (0, 1)
    ]
    y = [place + side for place in range(len(tricks)) for side in (-0.5, 0.5)]
    for width, colour in ((5.0, PALE), (2.4, DARK)):
        ax.plot(
            x, y, color=colour, linewidth=width, solid_joinstyle="miter", clip_on=False, zorder=3
        )
