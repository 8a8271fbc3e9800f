"""How the noise of a minibatch's gradient falls with its size (slide "Noisy ('Stochastic') Gradient")."""

from __future__ import annotations

from dlgbench.reports import panels, style, words
from dlgbench.reports.averages import over_seeds
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

METRIC, SLOPE = "gradient_noise/by_size", "gradient_noise/slope"
SIZES = (8, 16, 32, 64, 128)  # as in dlgbench/probes/noise.py


def draw(study: Study) -> list[style.Drawing]:
    """SD of the gradient by batch size on logarithmic axes, with 1 / sqrt(B) beside it."""
    points = study.frame[(study.frame["metric"] == METRIC) & (study.frame["step"] > 0)]
    points = points[points["value"] > 0]
    if points.empty:
        return []
    lines: dict[tuple[float, ...], list[str]] = {}
    for arm in study.arms:
        values = tuple(points.loc[points["arm"] == arm].sort_values(["seed", "step"])["value"])
        if values:
            lines.setdefault(values, []).append(
                arm
            )  # a batch size or a rate changes nothing before training: one line for all of them
    arms = {names[0]: names for names in lines.values()}
    points = points[points["arm"].isin(arms)]
    data = over_seeds(
        points.assign(step=points["step"].map(lambda place: SIZES[place - 1])), log=True
    ).rename(columns={"step": "batch_size"})
    looks = panels.colours(
        {arm: study.ablation.arm(arm, study.scale) for arm in arms}, {"": list(arms)}
    )
    with style.styled():
        figure, (ax,) = style.grid(1, 1, 3.2, 7.4)
        for arm, names in arms.items():
            line, colour = data[data["arm"] == arm].sort_values("batch_size"), looks[arm][0]
            label = f"{words.listing(names, 3)}: slope {words.number(study.mean(SLOPE, arm), 2)}"
            ax.plot(
                line["batch_size"],
                line["mean"],
                color=colour,
                marker="o",
                markersize=4,
                label=label,
            )
            ax.fill_between(
                line["batch_size"], line["low"], line["high"], color=colour, alpha=0.16, linewidth=0
            )
        top = data.loc[data["batch_size"] == SIZES[0], "mean"].max()
        ax.plot(
            SIZES,
            [1.25 * top * (size / SIZES[0]) ** -0.5 for size in SIZES],
            color=style.INK,
            linestyle="--",
            linewidth=1.1,
            label="1 / √B: slope −0.5",
        )
        ax.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="SD of the gradient")
        ax.set_xticks(SIZES, list(map(str, SIZES)))
        ax.set_xticks([], minor=True)
        style.readable(ax.yaxis, data["mean"].min() / 1.3, 1.4 * top)
        style.legend_beside(ax)
    caption = f"Before training. Geometric mean over n = {words.counts(data['n'])} seeds, with Student's 95 % interval of the logarithm. {sources(study)}"
    return [style.Drawing("noise", "Noise of the minibatch gradient", caption, figure, data)]
