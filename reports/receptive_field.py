"""The receptive fields, drawn to scale one inside the other (slide "Atrous convolution = Dilated Convolution")."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dlgbench.reports import style
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

METRIC = "receptive_field"


def draw(study: Study) -> list[style.Drawing]:
    """Nested squares, one for each size that was measured, with the arms that have it."""
    frame = study.frame
    figures = frame[frame["metric"].str.startswith(METRIC) & (frame["step"] == 0)]
    data = figures.pivot_table(
        index="arm", columns="metric", values="value", aggfunc="first", sort=False
    ).reset_index()
    if METRIC not in data:
        return []
    arms: dict[int, list[str]] = {}
    for arm in study.arms:
        for side in data.loc[data["arm"] == arm, METRIC]:
            arms.setdefault(round(side), []).append(arm)
    sides = sorted(arms, reverse=True)
    with style.styled():
        figure = Figure(figsize=(6.4, 3.5))
        ax = figure.subplots()
        half, gap = sides[0] / 2, sides[0] / max(len(sides) - 1, 1)
        for place, side in enumerate(sides):
            colour = style.ARMS[place % len(style.ARMS)]
            ax.add_patch(
                Rectangle(
                    (-side / 2, -side / 2), side, side, facecolor=colour, alpha=0.14, linewidth=0
                )
            )
            ax.add_patch(
                Rectangle(
                    (-side / 2, -side / 2),
                    side,
                    side,
                    facecolor="none",
                    edgecolor=colour,
                    linewidth=1.4,
                )
            )
            level = half - place * gap
            edge = min(max(level, -side / 2), side / 2)
            ax.plot(
                [side / 2, half * 1.12, half * 1.3],
                [edge, level, level],
                color=colour,
                linewidth=0.9,
            )
            ax.text(half * 1.35, level, f"{side} × {side}", va="center", fontweight="bold")
            ax.text(half * 1.95, level, ", ".join(arms[side]), va="center", color=style.SOFT)
        ax.set(xlim=(-half * 1.03, half * 2.9), ylim=(-half * 1.06, half * 1.06), aspect="equal")
        ax.set_axis_off()
    caption = f"Side of the input patch that one output unit depends on, measured by gradient, in pixels, to scale. Exact: n = 1. {sources(study)}"
    return [style.Drawing("receptive_fields", "Receptive fields", caption, figure, data)]
