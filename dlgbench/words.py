"""Effects and thresholds as a reader wants them, the same in a terminal and on the page.

The effect of a log ratio is read as the ratio, `× 1.25`. Infinite and missing numbers have words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dlgbench.claim import Claim, Effect, Verdict

Scale = Literal["linear", "log"]
MOST_SEEDS = 200  # that anyone would train to decide a claim
RAISED = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(x: float, digits: int = 3) -> str:
    """A number with `digits` significant digits and a true minus sign."""
    if math.isnan(x):
        return "none"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.{digits}g}" if abs(x) < 10**digits or abs(x) >= 1e9 else f"{x:,.0f}"
    mantissa, e, exponent = text.replace("-", "−").partition("e")
    if not e:
        return mantissa
    power = f"10{str(int(exponent.replace('−', '-'))).replace('-', '−').translate(RAISED)}"
    return power if mantissa == "1" else f"{mantissa}\u00a0×\u00a0{power}"


def effect(x: float, scale: Scale) -> str:
    """An effect: `0.019`, or, of a log ratio, the ratio, `× 1.25`."""
    if math.isnan(x) or scale == "linear":
        return number(x)
    return f"×\u00a0{number(math.exp(x) if x < 700 else math.inf)}"


def interval(low: float, high: float, scale: Scale) -> str:
    """An effect's interval, `[0.015, 0.023]`, `[× 1.1, × 1.4]`."""
    return f"[{effect(low, scale)}, {effect(high, scale)}]"


def found(verdict: Verdict, scale: Scale) -> tuple[str, str]:
    """A verdict's effect, and its interval; empty where the effect is a point."""
    between = "" if is_point(verdict) else interval(*verdict.interval, scale)
    return effect(verdict.effect, scale), between


def wanted(claim: Claim) -> str:
    """A claim's threshold in words, `at most 1 × 10⁻⁶`, `at least × 2`, `within ±0.01`.

    A ratio of powers that is a whole number of decibels has these too, `at most 0.794 (−1 dB)`.
    """
    threshold, scale = claim.threshold, claim.effect.scale
    low, high = (
        effect(bound, scale) + _decibels(bound, scale) for bound in (threshold.low, threshold.high)
    )
    match threshold.kind:
        case "at_least":
            return f"at least {low}"
        case "at_most":
            return f"at most {high}"
        case "exactly":
            return f"exactly {low}"
        case "within" if scale == "linear" and threshold.low == -threshold.high:
            return f"within ±{high}"
        case "within":
            return f"within {low} and {high}"


def _decibels(bound: float, scale: Scale) -> str:
    """` (1 dB)`, of a bound on a ratio; empty where that is no whole number, or a power of ten.

    A round 0.1 is no sign that anyone thinks in decibels.
    """
    ratio = bound if scale == "log" else math.log(bound) if bound > 0 else 0.0
    decibels = 10 / math.log(10) * ratio
    if not math.isfinite(decibels) or abs(decibels - round(decibels)) > 1e-9:
        return ""
    return f" ({number(round(decibels))} dB)" if round(decibels) % 10 else ""


def formula(effect: Effect) -> str:
    """The formula of what `effect` shows: of a log ratio that of the ratio."""
    return effect.formula.replace("ln ", "", 1) if effect.scale == "log" else effect.formula


def undecided(seeds: float | None) -> str:
    """How many seeds would decide a claim (`stats.enough`); empty for None."""
    if seeds is None:
        return ""
    if math.isinf(seeds):
        return f"undecided: more than {MOST_SEEDS} seeds would be needed at this spread"
    return f"undecided: about {seeds:.0f} seeds would do at this spread"


def fragile(is_fragile: bool) -> str:
    """The mark of a verdict that rests on one seed; else empty."""
    return "fragile: the verdict rests on one seed" if is_fragile else ""


def is_point(verdict: Verdict) -> bool:
    """Whether an exact effect is the same for every seed, and so needs no interval."""
    return verdict.method == "exact" and verdict.interval[0] == verdict.interval[1]


def listing(names: Sequence[str], most: int = 6) -> str:
    """Names in a row, the rest only counted."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def changed_sources(names: Sequence[str]) -> str:
    """The message where source files, or those of ablations, changed under a session."""
    return f"source files changed since this session began ({listing(names)}): call again"


def span(seconds: float) -> str:
    """A time: `3 s`, `2 min 5 s`, `1 h 20 min`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
