"""The curves that regressions draw through their points, over-fitted and regularized (slide "Reminder: Overfitting, in images")."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from dlgbench.reports import style, words
from dlgbench.reports.captions import sources, tuned
from dlgbench.reports.study import Study

COLUMNS = 3


def draw(study: Study) -> list[style.Drawing]:
    """A panel for each arm whose fit was recorded; all panels share the axes."""
    grid, curve, at, points = (
        study.picture(f"fit/{name}") for name in ("u", "curve", "points_u", "points_y")
    )
    arms = [arm for arm in curve if arm in grid and arm in points]
    if not arms:
        return []
    shown = np.concatenate([points[arm] for arm in arms])
    pad = 0.6 * float(np.ptp(shown) or 1)
    truth = {study.ablation.arm(arm, study.scale).data for arm in arms} == {
        "polynomial"
    }  # its formula is known: sin(pi u)
    tables = []
    with style.styled():
        figure, axes = style.grid(
            len(arms),
            COLUMNS,
            3.0,
            9.2 if len(arms) > 2 else 4.2 * len(arms),
            sharex=True,
            sharey=True,
        )
        for ax, arm in zip(axes, arms, strict=True):
            if truth:
                ax.plot(
                    grid[arm],
                    np.sin(np.pi * grid[arm]),
                    color=style.SOFT,
                    linestyle="--",
                    linewidth=1.2,
                    label="the truth",
                )
            ax.plot(grid[arm], curve[arm], color=style.ARMS[0], linewidth=2, label="fit")
            ax.scatter(
                at[arm],
                points[arm],
                s=22,
                color=style.ARMS[1],
                linewidth=0,
                zorder=3,
                label="training points",
            )
            error = study.mean("test/mse", arm)
            ax.set_title(
                arm + ("" if math.isnan(error) else f"\nmean test MSE {words.number(error, 2)}")
            )
            ax.set(xlabel="u", ylim=(shown.min() - pad, shown.max() + pad))
            for kind, x, y in (("curve", grid[arm], curve[arm]), ("point", at[arm], points[arm])):
                tables.append(pd.DataFrame({"arm": arm, "kind": kind, "u": x, "y": y}))
        style.legend_beside(axes[min(len(axes), COLUMNS) - 1])
    caption = (
        f"What each regression makes of its training points{tuned(study)}; where a curve leaves the axes it is cut off. "
        f"Drawn: n = 1, the first seed; the error is the mean over all seeds. {sources(study)}"
    )
    return [style.Drawing("fits", "Fits", caption, figure, pd.concat(tables, ignore_index=True))]
