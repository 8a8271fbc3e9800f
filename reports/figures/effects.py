"""What the claims are about: the effect of each, and the steps to a target, seed by seed."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.scale import SymmetricalLogTransform
from matplotlib.ticker import LogLocator, MaxNLocator

from dlgbench.claim import Claim, Verdict
from dlgbench.recipe import Recipe
from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base, panels
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

Rows = list[tuple[Claim, Verdict]]
ROW, HEAD = 0.52, 0.62  # inches for a claim, and for an axis with its title
PAD = 0.06  # of an axis, on both sides of what it holds
STEPS = "steps_to_target"
MOST_ROWS = 12  # arms in one panel of them
MANY = 12  # claims on an axis; of more, those that hold exactly are counted and not drawn
LEAST_SHARE = 0.15  # of a linear axis, for the claims beside their controls

# effects ----------------------------------------------------------------------------------------


@register_figure("effects")
def effects(study: Study) -> list[Plot]:
    """The forest plot of the claims that have runs: a dot per seed, the interval, the threshold.

    Claims whose effects measure the same quantity share an axis, but for controls far away; of
    many, those that hold exactly are only counted.
    """
    groups, counted = _groups(study)
    if not groups:
        return []
    figure, axes = base.stack([len(rows) * ROW + HEAD for rows in groups.values()])
    for ax, (quantity, rows) in zip(axes, groups.items(), strict=True):
        _forest(ax, quantity, rows, study)
    data = _effects_data(study)
    drawn = [claim for rows in groups.values() for claim, _ in rows]
    is_exact = any(claim.threshold.kind == "exactly" for claim in drawn)
    is_bent = any(ax.get_xscale() == "symlog" for ax in axes)
    caption = base.caption(
        study,
        "Each claim's effect: a dot for each seed, and the mean with the interval that the verdict "
        "rests on (level in the table). Shaded: where the claim is supported.",
        "An axis with 0 and powers of ten is linear near 0 and logarithmic beyond." * is_bent,
        "Of a claim that must hold exactly: the worst seed, and the range." * is_exact,
        *_bounds_notes(data),
        *counted,
        f"n = {words.counts(data.groupby('claim').size())}.",
    )
    return [Plot("effects", "Effects of the claims", caption, figure, data)]


def _groups(study: Study) -> tuple[dict[str, Rows], list[str]]:
    """The claims on each axis, by its title; and sentences on those that are counted instead.

    Controls have an axis of their own where they would leave the others hardly any of it.
    """
    by_quantity: dict[str, Rows] = {}
    for claim, verdict in study.verdicts.items():
        quantity = claim.effect.quantity or claim.effect.formula
        by_quantity.setdefault(quantity, []).append((claim, verdict))
    groups: dict[str, Rows] = {}
    counted = []
    for quantity, all_rows in by_quantity.items():
        rows = all_rows
        if len(rows) > MANY:
            rows = [row for row in all_rows if not _holds_exactly(*row)]
            if held := len(all_rows) - len(rows):
                claims = f"{held} claim{'s' * (held > 1)} about {_in_words(quantity, all_rows)}"
                counted.append(f"Not drawn: {claims} that hold{'s' * (held < 2)} exactly.")
        if not any(map(math.isfinite, _measured(rows, study))):
            continue
        of_claims = [row for row in rows if row[0].kind in ("claim", "slip")]
        controls = [row for row in rows if row not in of_claims]
        both = all(
            any(map(math.isfinite, _measured(part, study))) for part in (of_claims, controls)
        )
        if both and _share(of_claims, rows, study) < LEAST_SHARE:
            groups |= {quantity: of_claims, f"{quantity}   (controls)": controls}
        else:
            groups[quantity] = rows
    return groups, counted


def _in_words(quantity: str, rows: Rows) -> str:
    """A quantity with its metrics in words."""
    metrics = {metric for claim, _ in rows for metric, _ in claim.effect.needs}
    for metric in sorted(metrics, key=len, reverse=True):
        quantity = quantity.replace(metric, words.plain(metric))
    return quantity


def _holds_exactly(claim: Claim, verdict: Verdict) -> bool:
    return claim.threshold.kind == "exactly" and verdict.verdict == "supported"


def _share(some: Rows, rows: Rows, study: Study) -> float:
    """How much of a linear axis of all rows some of them need; 1 for an axis of another scale."""
    low, high, scale = _limits(rows, study)
    least, most, _ = _limits(some, study)
    return (most - least) / (high - low) if scale["value"] == "linear" else 1.0


def _bounds_notes(data: pd.DataFrame) -> list[str]:
    """Sentences on the seeds whose effect is a bound, or infinite."""
    notes = []
    if count := int((data["low"] != data["high"]).sum()):
        are = "are" if count > 1 else "is"
        notes.append(
            f"{count} seed effect{'s' * (count > 1)} of a censored or diverged run {are} known as "
            "a bound only (an arrowhead) or not at all (no dot)."
        )
    if count := int((np.isinf(data["low"]) & (data["low"] == data["high"])).sum()):
        are = "are" if count > 1 else "is"
        notes.append(
            f"{count} seed effect{'s' * (count > 1)} of a diverged run {are} infinite: arrowheads "
            "at the end of the axis."
        )
    return notes


def _forest(ax: Axes, quantity: str, rows: Rows, study: Study) -> None:
    low, high, scale = _limits(rows, study)
    ax.set_xscale(**scale)
    ax.set_xlim(low, high)
    base.mark(ax.xaxis, scale, low, high)
    statements = [claim.statement for claim, _ in rows]
    base.name_rows(
        ax, [textwrap.fill(text, 44, max_lines=3, placeholder=" …") for text in statements]
    )
    ax.spines["left"].set_visible(False)
    if rows[0][0].effect.scale == "log":
        _as_factors(ax, low, high)
        quantity = quantity.replace("log ratio", "ratio")
    ax.set_title(_in_words(quantity, rows), color=style.SOFT)
    if low < 0 < high:
        ax.axvline(0, color=style.SOFT, linewidth=0.8)
    for y, (claim, verdict) in enumerate(rows):
        _threshold(ax, y, claim, (low, high))
        if verdict.n > 1:
            bounds = study.seed_effects(claim).values()
            _seeds(ax, y, bounds, style.VERDICTS[verdict.verdict], (low, high))
        _verdict(ax, y, verdict, (low, high))


def _as_factors(ax: Axes, low: float, high: float) -> None:
    """Ticks of an axis of log ratios, as the ratios that the tables have: × 2 and not 0.693."""
    decades = (high - low) / math.log(10)
    if decades < 0.5:
        ratios = MaxNLocator(5).tick_values(math.exp(low), math.exp(high))
    else:
        steps = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)
        ratios = LogLocator(subs=steps, numticks=12).tick_values(math.exp(low), math.exp(high))
    near = 0.07 * (high - low)  # the ratio 1 has a tick, and no other stands in its way
    ticks = {math.log(ratio): ratio for ratio in ratios if ratio > 0}
    shown = {at: ratio for at, ratio in ticks.items() if low <= at <= high and abs(at) > near}
    if low <= 0 <= high:
        shown[0.0] = 1.0
    ax.set_xticks(list(shown), [f"× {words.number(ratio)}" for ratio in shown.values()])
    ax.set_xticks([], minor=True)


def _threshold(ax: Axes, y: int, claim: Claim, limits: tuple[float, float]) -> None:
    """The zone in which the claim is supported, as far as the axis goes, and its ends."""
    ends = y - 0.42, y + 0.42
    low, high = max(claim.threshold.low, limits[0]), min(claim.threshold.high, limits[1])
    if low < high:
        ax.fill_betweenx(ends, low, high, color=style.ZONE, linewidth=0, zorder=0.5)
    dashes: dict[str, Any] = {"linewidth": 1, "linestyle": (0, (3, 2)), "zorder": 1}
    for edge in {claim.threshold.low, claim.threshold.high}:
        if math.isfinite(edge):
            ax.plot([edge, edge], ends, color=style.SOFT, **dashes)


def _seeds(ax: Axes, y: int, bounds: Any, color: str, limits: tuple[float, float]) -> None:
    """A dot for each seed's effect; for a bound an arrowhead, towards where the effect may lie.

    An infinite effect has its arrowhead at the end of the axis.
    """
    measured = [low for low, high in bounds if low == high and math.isfinite(low)]
    above = [min(low, limits[1]) for low, high in bounds if low > -math.inf and high == math.inf]
    below = [max(high, limits[0]) for low, high in bounds if high < math.inf and low == -math.inf]
    look: dict[str, Any] = {"color": color, "linewidth": 0, "zorder": 2}
    ax.scatter(measured, np.full(len(measured), y + 0.22), s=9, alpha=0.55, **look)
    for marker, ends in ((">", above), ("<", below)):
        ax.scatter(ends, np.full(len(ends), y + 0.22), s=14, alpha=0.7, marker=marker, **look)


def _verdict(ax: Axes, y: int, verdict: Verdict, limits: tuple[float, float]) -> None:
    """The effect with its interval, and the verdict in words at the right."""
    color = style.VERDICTS[verdict.verdict]
    ends = max(verdict.interval[0], limits[0]), min(verdict.interval[1], limits[1])
    ax.plot(ends, [y, y], color=color, linewidth=2, solid_capstyle="butt", zorder=3)
    for end in filter(math.isinf, set(verdict.interval)):  # it goes on beyond the axis
        edge, marker = (limits[1], ">") if end > 0 else (limits[0], "<")
        ax.plot([edge], [y], color=color, marker=marker, markersize=6, clip_on=False, zorder=3)
    if math.isfinite(verdict.effect):
        hollow, marker = verdict.verdict == "inconclusive", style.MARKERS[verdict.verdict]
        look: dict[str, Any] = {"s": 34, "marker": marker, "linewidth": 1.2, "zorder": 4}
        base.dots(ax, [verdict.effect], [y], color, hollow=hollow, **look)
    text = f"{style.SYMBOLS[verdict.verdict]} {verdict.verdict}"
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center"}
    ax.annotate(text, (1.015, y), color=color, fontsize=8, **place)


def _measured(rows: Rows, study: Study) -> list[float]:
    """What the runs of some claims gave: effects, and the ends of intervals and of seed effects."""
    ends = [end for _, verdict in rows for end in (*verdict.interval, verdict.effect)]
    for claim, _ in rows:
        ends += [end for bounds in study.seed_effects(claim).values() for end in bounds]
    return ends


def _limits(rows: Rows, study: Study) -> tuple[float, float, dict[str, Any]]:
    """The ends of an axis that holds every finite number and threshold, and its scale.

    The scale is logarithmic for positive levels a hundredfold apart.
    """
    thresholds = [end for claim, _ in rows for end in (claim.threshold.low, claim.threshold.high)]
    finite = [x for x in (*_measured(rows, study), *thresholds) if math.isfinite(x)]
    low, high = min(finite), max(finite)
    is_ratio = rows[0][0].effect.scale == "log"  # its numbers are logarithms already
    if low > 0 and high / low > 100 and not is_ratio:
        return low / (high / low) ** PAD, high * (high / low) ** PAD, {"value": "log"}
    scale: dict[str, Any] = {"value": "linear"}
    if low <= 0 and not is_ratio:
        scale = base.scaling(finite)
    if scale["value"] == "symlog":
        bent = SymmetricalLogTransform(10, scale["linthresh"], 1)
        ends = bent.transform(np.array([low, high]))
        start, end = bent.inverted().transform(ends + PAD * np.ptp(ends) * np.array([-1, 1]))
        return float(start), float(end), scale
    pad = PAD * (high - low) or 0.1 * abs(high) or 1.0
    return low - pad, high + pad, scale


def _effects_data(study: Study) -> pd.DataFrame:
    rows = []
    for claim, verdict in study.verdicts.items():
        summary = (verdict.verdict, verdict.effect, *verdict.interval, verdict.level)
        for seed, bounds in study.seed_effects(claim).items():
            rows.append((claim.statement, claim.effect.formula, seed, *bounds, *summary))
    columns = ["claim", "effect", "seed", "low", "high", "verdict", "mean"]
    return pd.DataFrame(rows, columns=[*columns, "interval_low", "interval_high", "level"])


# steps to the target ----------------------------------------------------------------------------


@register_figure("paired")
def steps_to_target(study: Study) -> list[Plot]:
    """Steps to the target: a dot for each seed and arm, joined by seed.

    Slides "Batch normalization", "Momentum".
    """
    reached, censored = study.values(STEPS), study.values(f"{STEPS}/censored_at")
    data = pd.concat(
        [reached.assign(censored=False), censored.assign(censored=True)], ignore_index=True
    ).rename(columns={"value": "steps"})
    arms = [arm for arm in study.arms if arm in set(data["arm"])]
    recipes = [work for arm in arms if isinstance(work := study.works[arm], Recipe)]
    if reached.empty or len(recipes) < len(arms):
        return []
    if len(arms) <= MOST_ROWS:  # each has its name beside it
        groups, looks = {"": arms}, panels.one_panel(study, arms)
    else:
        groups, looks = panels.arrange(study, arms, STEPS)
    heights = [0.55 + 0.36 * len(names) for names in groups.values()]
    figure, axes = base.stack(heights, 0.4, sharex=True)
    seeds = sorted(set(data["seed"]))
    shifts = {seed: 0.34 * (at / max(len(seeds) - 1, 1) - 0.5) for at, seed in enumerate(seeds)}
    for ax, (title, names) in zip(axes, groups.items(), strict=True):
        rows = data[data["arm"].isin(names)]
        rows = rows.assign(place=rows["arm"].map(names.index)).sort_values("place")
        rows["place"] += rows["seed"].map(shifts)  # so that equal steps do not hide each other
        _by_seed(ax, rows, names, looks)
        base.name_rows(ax, names)
        ax.set(xscale="log", title=title)
    base.readable(axes[-1].xaxis, data["steps"].min() / 1.1, 1.1 * data["steps"].max())
    axes[-1].set_xlabel("optimizer steps to the target, logarithmic")
    goals = {(metric, goal) for recipe in recipes for metric, goal in recipe.target.items()}
    targets = sorted(f"{metric} ≤ {words.number(goal)}" for metric, goal in goals)
    late = int(data["censored"].sum())
    note = (
        f"Triangle: not reached within the budget, {late} run{'s' * (late != 1)}; the budget is a "
        "bound, not a value."
    )
    caption = base.caption(
        study,
        f"Target: {words.listing(targets)}.",
        "A dot for each seed, joined by seed; bar: the median." if len(seeds) > 1 else "",
        note if late else "",
        panels.guests(groups),
        f"n = {words.counts(data.groupby('arm').size())} seeds.",
        base.left_out(study),
    )
    return [Plot("paired", "Steps to the target", caption, figure, data)]


def _by_seed(ax: Axes, rows: pd.DataFrame, names: list[str], looks: panels.Looks) -> None:
    """The steps of each run, triangles where they are censored, and the median of an arm."""
    thin: dict[str, Any] = {"color": style.SOFT, "linewidth": 0.6, "alpha": 0.5, "zorder": 1}
    has_chance = rows["seed"].nunique() > 1
    for _, line in rows.groupby("seed") if has_chance else ():
        ax.plot(line["steps"], line["place"], **thin)
    for place, arm in enumerate(names):
        color, of_arm = looks[arm][0], rows[rows["arm"] == arm]
        for is_late, marker in ((False, "o"), (True, ">")):
            runs = of_arm[of_arm["censored"] == is_late]
            look: dict[str, Any] = {"s": 26, "marker": marker, "linewidth": 1.1, "zorder": 3}
            base.dots(ax, runs["steps"], runs["place"], color, hollow=is_late, **look)
        median = of_arm["steps"].where(~of_arm["censored"], math.inf).median()
        if has_chance and math.isfinite(median):
            ax.plot([median] * 2, [place - 0.36, place + 0.36], color=color, linewidth=2, zorder=2)
