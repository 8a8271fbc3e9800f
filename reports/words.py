"""Numbers and settings as a reader wants them. Infinite and missing numbers have words too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from dlgbench.claim import Claim, Verdict

Scale = Literal["linear", "log"]
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


def aligned(x: float) -> str:
    """A number in a column: three decimals where they say enough, `0.170`."""
    return f"{x:.3f}" if 0.001 <= x < 100 else number(x)


def effect(x: float, scale: Scale) -> str:
    """An effect: `0.019`, or, of a log ratio, the ratio, `× 1.25`."""
    if math.isnan(x) or scale == "linear":
        return number(x)
    return f"×\u00a0{number(math.exp(x) if x < 700 else math.inf)}"


def interval(low: float, high: float, scale: Scale) -> str:
    """An effect's interval, `[0.015, 0.023]`, `[× 1.1, × 1.4]`."""
    return f"[{effect(low, scale)}, {effect(high, scale)}]"


def wanted(claim: Claim) -> str:
    """A claim's threshold in words, `at most 1 × 10⁻⁶`, `at least × 2`, `within ±0.01`."""
    threshold, scale = claim.threshold, claim.effect.scale
    low, high = effect(threshold.low, scale), effect(threshold.high, scale)
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


def p_value(p: float | None) -> str:
    """A p value; below 0.001 only that; a claim about an exact number has none."""
    if p is None:
        return "exact"
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def setting(value: Any) -> str:
    """A recipe's value: `64 × 10` for ten equal entries, `none` for None."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) > 3 and len(set(map(repr, value))) == 1:
            return f"{setting(value[0])} × {len(value)}"
        return f"({', '.join(map(setting, value))})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def short(field: str) -> str:
    """The last word of a dotted field: `dropout` of `model_args.dropout`."""
    return field.rpartition(".")[2]


def listing(names: Sequence[str], most: int = 6) -> str:
    """Names in a row, the rest only counted."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_point(verdict: Verdict) -> bool:
    """Whether an exact effect is the same for every seed, and so needs no interval."""
    return verdict.method == "exact" and verdict.interval[0] == verdict.interval[1]


def expectation(claim: Claim, verdict: Verdict | None) -> str:
    """`as expected`, `not as expected (...)`, or `undecided (...)` where no answer came."""
    if verdict is None:
        return f"expected: {claim.expect}"
    if verdict.passes(claim):
        notes = {"not supported": ": a control", "refuted": ": a slip"}
        return f"as expected{notes.get(claim.expect, '')}"
    start = "undecided" if verdict.verdict == "inconclusive" else "not as expected"
    return f"{start} ({claim.expect} was expected)"


def counts(n: Iterable[int]) -> str:
    """How many, where it differs as a range: `5` or `4 to 5`."""
    numbers = sorted(set(map(int, n)))
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
