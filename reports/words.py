"""Numbers and settings as a reader wants them. Infinite and missing figures have words too."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dlgbench.claim import Claim, Verdict

RAISED = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(x: float, digits: int = 3) -> str:
    """A figure with `digits` significant digits, a true minus sign, and words for what is not a number."""
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
    """A figure of a column: three decimals where they say enough, `0.170`."""
    return f"{x:.3f}" if 0.001 <= x < 100 else number(x)


def _reader(formula: str) -> Callable[[float], str]:
    """How figures of an effect are written: a log ratio as a factor, `× 2`, all others as they are."""
    return (
        (lambda x: f"×\u00a0{number(math.exp(x) if x < 700 else math.inf)}")
        if formula.startswith("ln ")
        else number
    )


def effect(formula: str, x: float) -> str:
    """An effect by its formula: `0.019`, or, of a log ratio, the ratio, `× 1.25`."""
    return "none" if math.isnan(x) else _reader(formula)(x)


def wanted(claim: Claim) -> str:
    """A claim's threshold in words, `at most 1 × 10⁻⁶`, `at least × 2`."""
    threshold, write = claim.threshold, _reader(claim.effect.formula)
    if threshold.kind == "within" and (threshold.low != -threshold.high or write is not number):
        return f"within {write(threshold.low)} and {write(threshold.high)}"
    return re.sub(r"-?[\d.]+(e[-+]?\d+)?", lambda found: write(float(found[0])), str(threshold))


def interval(formula: str, low: float, high: float) -> str:
    """An effect's interval, `[0.015, 0.023]`, `[× 1.1, × 1.4]`."""
    return f"[{_reader(formula)(low)}, {_reader(formula)(high)}]"


def p_value(p: float | None) -> str:
    """A p value; below 0.001 only that; a claim about an exact figure has none."""
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


def listing(names: Sequence[str], most: int = 6) -> str:
    """Names in a row, the rest only counted."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_point(verdict: Verdict) -> bool:
    """Whether a figure without chance in it is the same for every seed, and so needs no interval."""
    return verdict.method == "exact" and verdict.interval[0] == verdict.interval[1]


def expectation(claim: Claim, verdict: Verdict | None) -> str:
    """`as expected`, `not as expected (...)`, or, where an answer was expected and none came, `undecided (...)`."""
    if verdict is None:
        return f"expected: {claim.expect}"
    if verdict.passes(claim):
        return "as expected" + {"not supported": ": a control", "refuted": ": a slip"}.get(
            claim.expect, ""
        )
    start = "undecided" if verdict.verdict == "inconclusive" else "not as expected"
    return f"{start} ({claim.expect} was expected)"


def counts(n: Iterable[int]) -> str:
    """How many, where it differs as a range: `5` or `4 to 5`."""
    found = sorted(set(map(int, n)))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
