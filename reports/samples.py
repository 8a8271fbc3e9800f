"""The mean of thinned networks against one deterministic pass (slide "Test time: Deterministic Approximation"; Srivastava et al. 2014, Figure 11)."""

from __future__ import annotations

import pandas as pd

from dlgbench.reports import panels, style, words
from dlgbench.reports.averages import over_seeds
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

METRIC, ONCE = "averaging/by_samples", "averaging/once"
SAMPLES = (1, 2, 5, 10, 20, 50, 100)  # as in dlgbench/probes/inference.py


def draw(study: Study) -> list[style.Drawing]:
    """Test error by the number of thinned networks, a panel for each arm that has it."""
    points = study.frame[(study.frame["metric"] == METRIC) & (study.frame["step"] > 0)]
    arms = [arm for arm in study.arms if arm in set(points["arm"])]
    if not arms:
        return []
    points = pd.concat(
        [
            points.assign(step=points["step"].map(lambda place: SAMPLES[place - 1])),
            study.figures(ONCE).assign(step=0),
        ],
        ignore_index=True,
    )
    data = over_seeds(points, log=False).rename(columns={"step": "k"})
    looks = panels.colours({arm: study.ablation.arm(arm, study.scale) for arm in arms}, {"": arms})
    with style.styled():
        figure, axes = style.grid(
            len(arms), 3, 2.8, 9.2 if len(arms) > 2 else 4.6 * len(arms), sharey=len(arms) <= 3
        )
        for ax, arm in zip(axes, arms, strict=True):
            line, once = (
                data[(data["arm"] == arm) & (data["k"] > 0)],
                data[(data["arm"] == arm) & (data["k"] == 0)].iloc[0],
            )
            ax.plot(
                line["k"],
                line["mean"],
                color=looks[arm][0],
                marker="o",
                markersize=4,
                label="mean of k thinned nets",
            )
            ax.fill_between(
                line["k"], line["low"], line["high"], color=looks[arm][0], alpha=0.16, linewidth=0
            )
            ax.axhline(
                once["mean"],
                color=style.INK,
                linewidth=1.3,
                linestyle="--",
                label="one deterministic pass",
            )
            ax.set(xscale="log", title=arm, xlabel="thinned networks averaged, k")
            ax.set_xticks(SAMPLES, list(map(str, SAMPLES)))
            ax.set_xticks([], minor=True)
        axes[0].set_ylabel("test error")
        axes[0].legend(loc="upper right")
    caption = f"Mean over n = {words.counts(data['n'])} seeds, with Student's 95 % interval of the mean (of the thinned networks). {sources(study)}"
    return [style.Drawing("samples", "Averaging thinned networks", caption, figure, data)]
