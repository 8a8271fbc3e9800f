"""How the last hidden layer bends the plane (slide "Linearizing may need higher dimensions"; colah 2014)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from dlgbench.reports import style
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

COLUMNS = 4
SPOT = 1e-6  # how far apart points may lie that fall on one


def draw(study: Study) -> list[style.Drawing]:
    """The warped grid of each arm whose last hidden layer has two or three units."""
    classes = study.picture("warp/class")
    units = [study.picture(f"warp/unit_{k}") for k in range(3)]
    if not classes:
        return []
    tables = []
    with style.styled():
        rows = -(-len(classes) // COLUMNS)
        figure = style.Figure(figsize=(9.2 * min(len(classes), COLUMNS) / COLUMNS, 2.7 * rows))
        for place, (arm, given) in enumerate(classes.items(), 1):
            points = [unit[arm] for unit in units if arm in unit]
            ax: Any = figure.add_subplot(
                rows,
                min(len(classes), COLUMNS),
                place,
                projection="3d" if len(points) == 3 else None,
            )
            _net(ax, points, given)
            perfect = study.mean("perfect", arm)
            found = (
                f"perfect in {perfect:.0%} of seeds"
                if not math.isnan(perfect)
                else f"test error {100 * study.mean('test/error', arm):.1f} %"
            )
            spot = all(
                np.ptp(values) <= SPOT * max(1.0, float(np.abs(values).max())) for values in points
            )
            ax.set_title(
                f"{arm}\n{found}" + "\ndead: all on one point" * spot, loc="left"
            )  # said here: three dimensions centre it
            tables.append(
                pd.DataFrame(
                    {
                        "arm": arm,
                        **{f"unit_{k}": values for k, values in enumerate(points)},
                        "class": given,
                    }
                )
            )
    caption = (
        "A square grid of the input plane as the last hidden layer sees it, coloured by the class that each point is given; its two or three units are "
        f"the axes. The output layer can only cut it straight. Drawn: n = 1, the first seed. {sources(study)}"
    )
    return [
        style.Drawing(
            "warp",
            "The plane, bent by the hidden layers",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]


def _net(ax: Any, points: list[np.ndarray], given: np.ndarray) -> None:
    side = round(len(given) ** 0.5)
    squares = [
        np.pad(values.reshape(side, side), ((0, 1), (0, 1)), constant_values=np.nan)
        for values in points
    ]  # nan lifts the pen
    for lines in ([square.ravel() for square in squares], [square.T.ravel() for square in squares]):
        ax.plot(*lines, color=style.SOFT, linewidth=0.6, alpha=0.6, zorder=1)
    for number, colour in ((0, style.ARMS[1]), (1, style.ARMS[0])):
        chosen = given == number
        ax.scatter(
            *(values[chosen] for values in points),
            s=7,
            color=colour,
            linewidth=0,
            zorder=2,
            rasterized=True,
        )
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    if len(points) == 3:
        ax.set(zticks=[])
        ax.set_box_aspect((1, 1, 1), zoom=1.1)
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.set_pane_color((0, 0, 0, 0))
    else:
        ax.margins(0.06)
