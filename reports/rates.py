"""Test error by learning rate, where the arms are the rates (slide "Learning rate"): too small crawls, too large diverges."""

from __future__ import annotations

import pandas as pd

from dlgbench.reports import style, words
from dlgbench.reports.averages import over_seeds
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

LEAST, METRIC = 5, "test/error"


def draw(study: Study) -> list[style.Drawing]:
    """The error over the rates; none where fewer than five arms differ in the rate, or in anything else."""
    recipes = {arm: study.ablation.arm(arm, study.scale) for arm in study.arms}
    points = study.figures(METRIC)
    same = len({recipe.override(lr=1.0) for recipe in recipes.values()}) == 1
    if not same or len({recipe.lr for recipe in recipes.values()}) < LEAST or points.empty:
        return []
    points = points.assign(step=points["arm"].map(lambda arm: recipes[arm].lr), arm="")
    data = (
        over_seeds(points, log=False)
        .rename(columns={"step": "lr"})
        .drop(columns="arm")
        .sort_values("lr")
    )
    diverged = study.diverged()
    lost = pd.Series([recipes[arm].lr for arm in diverged], dtype=float).value_counts()
    with style.styled():
        figure, (ax,) = style.grid(1, 1, 3.2, 6.8)
        ax.plot(data["lr"], data["mean"], color=style.ARMS[0], marker="o", markersize=5)
        ax.vlines(
            data["lr"], data["low"], data["high"], color=style.ARMS[0], linewidth=1.8, alpha=0.6
        )
        for rate, count in lost.items():
            ax.plot(
                [rate],
                [0.97],
                transform=ax.get_xaxis_transform(),
                color=style.ARMS[1],
                marker="x",
                markersize=8,
                markeredgewidth=2,
                linestyle="",
            )
            ax.annotate(
                f"{count} diverged",
                (rate, 0.9),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="top",
                color=style.SOFT,
            )
        ax.set(xscale="log", ylim=(0, None), xlabel="learning rate", ylabel="test error")
    caption = f"Mean over n = {words.counts(data['n'])} seeds that finished, bars: Student's 95 % interval. Cross: rates at which runs diverged. {sources(study)}"
    return [
        style.Drawing(
            "rates",
            "Error by learning rate",
            caption,
            figure,
            data.assign(diverged=data["lr"].map(lost).fillna(0).astype(int)),
        )
    ]
