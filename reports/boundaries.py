"""Decision boundaries of networks of two inputs (slides "Multi-Layer Perceptrons", "Linear separability")."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dlgbench.reports import style
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

METRIC, MOST = "boundary/score", 5  # panels in a row
LEVELS = (
    -np.inf,
    -4.0,
    -1.5,
    0.0,
    1.5,
    4.0,
    np.inf,
)  # z_1 - z_0, the log odds: .02, .18, .5, .82, .98
CLASSES = (style.ARMS[1], style.ARMS[0])  # orange, blue
SHADES = tuple(
    (CLASSES[place > 2], alpha) for place, alpha in enumerate((0.5, 0.32, 0.15, 0.15, 0.32, 0.5))
)


def draw(study: Study) -> list[style.Drawing]:
    """A row of planes for each data set, one for each arm whose scores were recorded."""
    scores = study.picture(METRIC)
    if not scores:
        return []
    rows: dict[str, list[str]] = {}
    for arm in scores:
        rows.setdefault(str(study.ablation.arm(arm, study.scale).data), []).append(arm)
    lines = [
        (data, arms[at : at + MOST])
        for data, arms in rows.items()
        for at in range(0, len(arms), MOST)
    ]
    across = (
        1 < len(rows) <= MOST and len({len(arms) for arms in rows.values()}) == 1
    )  # then a column for each data set
    if across:
        lines = [("", list(arms)) for arms in zip(*rows.values(), strict=True)]
    columns = max(len(arms) for _, arms in lines)
    with style.styled():
        width = min(9.2 / columns, 2.6)
        figure, axes = style.grid(len(lines) * columns, columns, width + 0.4, width * columns)
        tables = []
        for place, ax in enumerate(axes):
            data, arms = lines[place // columns]
            if place % columns >= len(arms):
                ax.set_visible(False)
                continue
            arm = arms[place % columns]
            tables.append(_plane(ax, study, arm, scores[arm]))
            error = study.mean("test/error", arm)
            about = "not trained" if math.isnan(error) else f"test error {100 * error:.1f} %"
            one = "" if scores[arm].min() < 0 < scores[arm].max() else "\nall one class"
            ax.set_title(f"{arm}\n{about}{one}")
            if across:
                ax.set_xlabel(str(study.ablation.arm(arm, study.scale).data), color=style.INK)
            elif place % columns == 0:
                ax.set_ylabel(data, color=style.INK)
    of = sources(study).replace(
        f"Data: {study.data}.", f"Data: {', '.join(rows)}."
    )  # the sets that are drawn alone
    dots = "dots are training points; " if study.picture("boundary/point_class") else ""
    caption = (
        "What each trained network makes of the plane: orange is class 0, blue class 1, deeper where it is surer (z₁ − z₀ beyond ±1.5 and ±4); "
        f"{dots}black is the boundary, z₁ = z₀. Drawn: n = 1, the first seed; the test error is the mean over all seeds. {of}"
    )
    return [
        style.Drawing(
            "boundaries",
            "Decision boundaries",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]


def _plane(ax: Axes, study: Study, arm: str, scores: np.ndarray) -> pd.DataFrame:
    side = round(len(scores) ** 0.5)
    low, high = (_edge(study, f"boundary/{end}", arm) for end in ("low", "high"))
    ticks, z = np.linspace(low, high, side), scores.reshape(side, side)
    limit = max(float(np.abs(z).max()), 10.0) + 1
    for (start, end), (colour, alpha) in zip(itertools.pairwise(LEVELS), SHADES, strict=True):
        ax.contourf(
            ticks, ticks, z, [max(start, -limit), min(end, limit)], colors=[colour], alpha=alpha
        ).set_rasterized(True)
    if z.min() < 0 < z.max():
        ax.contour(ticks, ticks, z, [0.0], colors=[style.INK], linewidths=1.6)
    ax.set(aspect="equal", xticks=[], yticks=[], xlim=(low, high), ylim=(low, high))
    ax.grid(visible=False)
    x, y = np.meshgrid(ticks, ticks)
    plane = pd.DataFrame(
        {"arm": arm, "kind": "grid", "x": x.ravel(), "y": y.ravel(), "score": scores}
    )
    return pd.concat([plane, *_points(ax, study, arm)], ignore_index=True)


def _points(ax: Axes, study: Study, arm: str) -> list[pd.DataFrame]:
    """Draws the training points of an arm, where they were recorded."""
    x, y, given = (study.picture(f"boundary/point_{name}").get(arm) for name in ("x", "y", "class"))
    if x is None or y is None or given is None:
        return []
    for number, colour in enumerate(CLASSES):
        ax.scatter(
            x[given == number],
            y[given == number],
            s=9,
            color=colour,
            edgecolor=style.PAPER,
            linewidth=0.4,
            rasterized=True,
        )
    return [pd.DataFrame({"arm": arm, "kind": "point", "x": x, "y": y, "class": given})]


def _edge(study: Study, metric: str, arm: str) -> float:
    """The edge of the square of the seed that is drawn."""
    found = study.figures(metric)
    found = found[found["arm"] == arm]
    return float(found.loc[found["seed"].idxmin(), "value"])
