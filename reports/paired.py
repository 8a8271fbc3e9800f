"""Steps to the target, seed by seed (slides "Batch normalization", "Momentum")."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from dlgbench.reports import panels, style, words
from dlgbench.reports.captions import left_out, sources
from dlgbench.reports.study import Study

METRIC = "steps_to_target"


def draw(study: Study) -> list[style.Drawing]:
    """A dot for each seed and arm, joined by seed; none where no target was set."""
    reached, censored = study.figures(METRIC), study.figures(f"{METRIC}/censored_at")
    data = pd.concat(
        [reached.assign(censored=False), censored.assign(censored=True)], ignore_index=True
    ).rename(columns={"value": "steps"})
    arms = [arm for arm in study.arms if arm in set(data["arm"])]
    if not arms or reached.empty:
        return []
    recipes = {arm: study.ablation.arm(arm, study.scale) for arm in arms}
    together = [
        {arm for name, arm in claim.effect.needs if name == METRIC}
        for claim in study.ablation.claims_at(study.scale)
    ]
    groups = panels.split(recipes, [pair for pair in together if pair])
    looks = panels.colours(recipes, groups)
    with style.styled():
        heights = [0.55 + 0.36 * len(of) for of in groups.values()]
        figure = Figure(figsize=(9.2, sum(heights) + 0.4))
        axes = figure.subplots(len(groups), 1, squeeze=False, sharex=True, height_ratios=heights)[
            :, 0
        ]
        for ax, (title, of) in zip(axes, groups.items(), strict=True):
            places = {arm: place for place, arm in enumerate(of)}
            seeds = sorted(set(data["seed"]))
            apart = {
                seed: 0.34 * (at / max(len(seeds) - 1, 1) - 0.5) for at, seed in enumerate(seeds)
            }  # so that equal steps do not hide each other
            here = (
                data[data["arm"].isin(of)]
                .assign(place=lambda rows, where=places: rows["arm"].map(where))
                .sort_values("place")
            )
            here["place"] += here["seed"].map(apart)
            for _, line in here.groupby("seed"):
                ax.plot(
                    line["steps"],
                    line["place"],
                    color=style.SOFT,
                    linewidth=0.6,
                    alpha=0.5,
                    zorder=1,
                )
            for arm, place in places.items():
                colour = looks[arm][0]
                own = here[here["arm"] == arm]
                for is_late, marker, face in ((False, "o", colour), (True, ">", style.PAPER)):
                    dots = own[own["censored"] == is_late]
                    ax.scatter(
                        dots["steps"],
                        dots["place"],
                        s=26,
                        marker=marker,
                        facecolor=face,
                        edgecolor=colour,
                        linewidth=1.1,
                        zorder=3,
                    )
                if not own["censored"].any():
                    ax.plot(
                        [own["steps"].median()] * 2,
                        [place - 0.36, place + 0.36],
                        color=colour,
                        linewidth=2,
                        zorder=2,
                    )
            ax.set_yticks(range(len(of)), of, color=style.INK)
            ax.set(xscale="log", ylim=(len(of) - 0.5, -0.5), title=title)
            ax.tick_params(axis="y", length=0)
            ax.grid(visible=False, axis="y")
        style.readable(axes[-1].xaxis, data["steps"].min() / 1.1, 1.1 * data["steps"].max())
        axes[-1].set_xlabel("optimizer steps to the target, logarithmic")
    targets = words.listing(
        sorted(
            {
                f"{name} ≤ {words.number(goal)}"
                for recipe in recipes.values()
                for name, goal in recipe.target.items()
            }
        )
    )
    late = int(data["censored"].sum())
    note = (
        f" Triangle: not reached within the budget, {late} run{'s' * (late != 1)}; the budget is a bound, not a value."
        if late
        else ""
    )
    caption = (
        f"Target: {targets}. A dot for each seed, joined by seed; bar: the median.{note} n = {words.counts(data.groupby('arm').size())} seeds."
        f"{left_out(study)} {sources(study)}"
    )
    return [style.Drawing("paired", "Steps to the target", caption, figure, data)]
