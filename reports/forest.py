"""The effect of every claim: a dot per seed, the interval, and the zone in which the claim is supported."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.scale import SymmetricalLogTransform

from dlgbench.claim import Claim, Verdict
from dlgbench.reports import style, words
from dlgbench.reports.averages import mark, scaling
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

Rows = list[tuple[Claim, Verdict]]
ROW, HEAD = 0.52, 0.62  # inches for a claim, and for an axis with its title


def unit(claim: Claim) -> str:
    """What the effect is measured in: claims of one unit share an axis."""
    metric, colon, _ = claim.effect.formula.partition(":")
    if not colon:
        return claim.effect.formula
    return (
        metric
        if len(claim.effect.needs) == 1
        else f"difference of {metric}"
        if not metric.startswith("ln ")
        else f"log ratio, {metric}"
    )


def draw(study: Study) -> list[style.Drawing]:
    """The forest plot of the claims that have runs; none where no claim has."""
    if not study.verdicts:
        return []
    groups: dict[str, Rows] = {}
    for claim, verdict in study.verdicts.items():
        groups.setdefault(unit(claim), []).append((claim, verdict))
    groups = {
        name: rows for name, rows in groups.items() if any(map(math.isfinite, _found(rows, study)))
    }
    if not groups:
        return []
    with style.styled():
        sizes = [len(rows) * ROW + HEAD for rows in groups.values()]
        figure = Figure(figsize=(9.2, sum(sizes)))
        axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=sizes)[:, 0]
        for ax, (name, rows) in zip(axes, groups.items(), strict=True):
            _axis(ax, name, rows, study)
    data = _data(study)
    open_ = int((data["low"] != data["high"]).sum())
    note = (
        f" {open_} seed effect{'s' * (open_ > 1)} of a censored or diverged run {'are' if open_ > 1 else 'is'} known as a bound only"
        " (an arrowhead) or not at all (no dot)." * (open_ > 0)
    )
    bent = " An axis with 0 and powers of ten is linear near 0 and logarithmic beyond." * any(
        ax.get_xscale() == "symlog" for ax in axes
    )
    caption = (
        "Each claim's effect: a dot for each seed, and the mean with the interval that the verdict rests on (level in the table). "
        f"Shaded: where the claim is supported.{bent}{note if open_ else ''} n = {words.counts(data.groupby('claim').size())}. {sources(study)}"
    )
    return [style.Drawing("effects", "Effects of the claims", caption, figure, data)]


def _axis(ax: Axes, name: str, rows: Rows, study: Study) -> None:
    low, high, scale = _limits(rows, study)
    ax.set_xscale(**scale)
    ax.set_xlim(low, high)
    mark(ax.xaxis, scale, low, high)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(
        range(len(rows)),
        [textwrap.fill(claim.statement, 44, max_lines=3, placeholder=" …") for claim, _ in rows],
        color=style.INK,
    )
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_title(name, color=style.SOFT)
    if low < 0 < high:
        ax.axvline(0, color=style.SOFT, linewidth=0.8)
    for y, (claim, verdict) in enumerate(rows):
        _row(ax, y, claim, verdict, study, (low, high))


def _row(
    ax: Axes, y: int, claim: Claim, verdict: Verdict, study: Study, limits: tuple[float, float]
) -> None:
    colour, (start, end) = style.VERDICTS[verdict.verdict], limits
    zone = max(claim.threshold.low, start), min(claim.threshold.high, end)
    if zone[0] < zone[1]:
        ax.fill_betweenx([y - 0.42, y + 0.42], *zone, color=style.ZONE, linewidth=0, zorder=0.5)
    for edge in {claim.threshold.low, claim.threshold.high}:
        if math.isfinite(edge):
            ax.plot(
                [edge, edge],
                [y - 0.42, y + 0.42],
                color=style.SOFT,
                linewidth=1,
                linestyle=(0, (3, 2)),
                zorder=1,
            )
    bounds = study.seed_effects(claim).values() if verdict.n > 1 else ()
    dots = [a for a, b in bounds if a == b and math.isfinite(a)]
    ax.scatter(
        dots, np.full(len(dots), y + 0.22), s=9, color=colour, alpha=0.55, linewidth=0, zorder=2
    )
    for marker, ends in (
        (">", [a for a, b in bounds if math.isfinite(a) and b == math.inf]),
        ("<", [b for a, b in bounds if math.isfinite(b) and a == -math.inf]),
    ):
        ax.scatter(
            ends,
            np.full(len(ends), y + 0.22),
            s=14,
            marker=marker,
            color=colour,
            alpha=0.7,
            linewidth=0,
            zorder=2,
        )
    ax.plot(
        [max(verdict.interval[0], start), min(verdict.interval[1], end)],
        [y, y],
        color=colour,
        linewidth=2,
        solid_capstyle="butt",
        zorder=3,
    )
    if math.isfinite(verdict.effect):
        face = style.PAPER if verdict.verdict == "inconclusive" else colour
        marker = style.MARKERS[verdict.verdict]
        ax.scatter(
            [verdict.effect],
            [y],
            s=34,
            marker=marker,
            facecolor=face,
            edgecolor=colour,
            linewidth=1.2,
            zorder=4,
        )
    ax.annotate(
        f"{style.SYMBOLS[verdict.verdict]} {verdict.verdict}",
        (1.015, y),
        xycoords=("axes fraction", "data"),
        color=colour,
        fontsize=8,
        va="center",
    )


def _found(rows: Rows, study: Study) -> list[float]:
    """What the runs of some claims gave: effects, and the ends of intervals and of seed effects."""
    found = [end for _, verdict in rows for end in (*verdict.interval, verdict.effect)]
    return found + [
        end for claim, _ in rows for bounds in study.seed_effects(claim).values() for end in bounds
    ]


def _limits(rows: Rows, study: Study) -> tuple[float, float, dict[str, Any]]:
    """The ends of an axis that holds every finite figure and threshold, and its scale: logarithmic for positive levels a hundredfold apart."""
    found = [
        *_found(rows, study),
        *(end for claim, _ in rows for end in (claim.threshold.low, claim.threshold.high)),
    ]
    finite = [x for x in found if math.isfinite(x)]
    low, high = min(finite), max(finite)
    if low > 0 and high / low > 100:
        return low / (high / low) ** 0.06, high * (high / low) ** 0.06, {"value": "log"}
    scale: dict[str, Any] = (
        scaling(finite)
        if low <= 0 and not unit(rows[0][0]).startswith("log ratio")
        else {"value": "linear"}
    )
    if scale["value"] == "symlog":
        bent = SymmetricalLogTransform(10, scale["linthresh"], 1)
        ends = bent.transform(np.array([low, high]))
        start, end = bent.inverted().transform(ends + 0.06 * np.ptp(ends) * np.array([-1, 1]))
        return float(start), float(end), scale
    pad = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - pad, high + pad, scale


def _data(study: Study) -> pd.DataFrame:
    rows = [
        (
            claim.statement,
            claim.effect.formula,
            seed,
            *bounds,
            verdict.verdict,
            verdict.effect,
            *verdict.interval,
            verdict.level,
        )
        for claim, verdict in study.verdicts.items()
        for seed, bounds in study.seed_effects(claim).items()
    ]
    return pd.DataFrame(
        rows,
        columns=[
            "claim",
            "effect",
            "seed",
            "low",
            "high",
            "verdict",
            "mean",
            "interval_low",
            "interval_high",
            "level",
        ],
    )
