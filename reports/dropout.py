"""Validation error with and without dropout, one line for each architecture, in the manner of Srivastava et al. 2014, Figure 4."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

from dlgbench.recipe import Recipe
from dlgbench.reports import style, words
from dlgbench.reports.averages import over_seeds
from dlgbench.reports.captions import left_out, sources, tuned
from dlgbench.reports.study import Study

METRIC = "val/error"
WITH = (
    "model_args.dropout",
    "model_args.input_dropout",
    "max_norm",
)  # what comes with dropout in the paper's recipe
SHOWN_FROM = 0.25  # of the budget: earlier errors would press the lines together


def pairs(study: Study) -> dict[str, tuple[str, str]]:
    """(without, with) dropout, under what else tells the pairs apart; arms that differ in anything else make no pair."""
    found: dict[str, dict[bool, tuple[str, Recipe]]] = {}
    for arm in study.arms:
        recipe = study.ablation.arm(arm, study.scale)
        if recipe.steps:
            rest = repr(
                sorted((name, value) for name, value in recipe.flat().items() if name not in WITH)
            )
            found.setdefault(rest, {}).setdefault(
                bool(recipe.model_args.get("dropout")), (arm, recipe)
            )
    whole = [both for both in found.values() if len(both) == 2]
    flat = [both[False][1].flat() for both in whole]
    fields = [
        name
        for name in dict.fromkeys(key for values in flat for key in values)
        if len({repr(values.get(name)) for values in flat}) > 1
    ]
    titles = [
        ", ".join(
            f"{name.rpartition('.')[2]} {words.setting(values.get(name))}"
            for name in fields
            if name not in WITH
        )
        for values in flat
    ]
    return {
        title: (both[False][0], both[True][0]) for title, both in zip(titles, whole, strict=True)
    }


def draw(study: Study) -> list[style.Drawing]:
    """One panel with two colours, without and with dropout; none with fewer than two pairs."""
    found = pairs(study)
    points = study.frame[(study.frame["metric"] == METRIC) & (study.frame["step"] > 0)]
    found = {title: both for title, both in found.items() if set(both) <= set(points["arm"])}
    if len(found) < 2:
        return []
    looks = {
        arm: (kind, place)
        for place, both in enumerate(found.values())
        for kind, arm in enumerate(both)
    }
    data = over_seeds(points[points["arm"].isin(looks)], log=False)
    colours = style.ARMS[1], style.ARMS[0]
    with style.styled():
        figure, (ax,) = style.grid(1, 1, 3.6)
        for arm, (kind, place) in looks.items():
            line = data[data["arm"] == arm].sort_values("step")
            ax.plot(
                line["step"],
                line["mean"],
                color=colours[kind],
                linestyle=style.LINES[place % len(style.LINES)],
                linewidth=1.8,
            )
            ax.fill_between(
                line["step"],
                line["low"],
                line["high"],
                color=colours[kind],
                alpha=0.13,
                linewidth=0,
            )
        budget = data.groupby("arm")["step"].transform("max")
        late = data[data["step"] >= SHOWN_FROM * budget]
        ends = late[["mean", "low", "high"]].to_numpy()
        low, high = np.nanmin(ends), np.nanmax(ends)
        ax.set(
            ylim=(max(0, low - 0.05 * (high - low)), high + 0.05 * (high - low)),
            xlabel="optimizer step",
            ylabel="validation error",
        )
        handles = [
            Line2D([], [], color=colour, linewidth=3, label=f"{word} dropout")
            for colour, word in zip(colours, ("without", "with"), strict=True)
        ]
        handles += [
            Line2D(
                [],
                [],
                color=style.SOFT,
                linestyle=style.LINES[place % len(style.LINES)],
                label=title,
            )
            for place, title in enumerate(found)
        ]
        ax.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
            borderaxespad=0,
            handlelength=2.6,
        )
    caption = (
        f"In the manner of Srivastava et al. 2014, Figure 4: {len(found)} pairs of the same net, without and with dropout. "
        f"Mean over n = {words.counts(data['n'])} seeds, with Student's 95 % interval"
        f"{tuned(study)}. The axis leaves out the start.{left_out(study)} {sources(study)}"
    )
    return [style.Drawing("dropout", "Error with and without dropout", caption, figure, data)]
