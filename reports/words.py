"""Numbers and settings as the page wants them; those of `dlgbench.words` are among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import dedent
from typing import Any

from markupsafe import Markup, escape

from dlgbench.claim import Claim, Verdict
from dlgbench.words import (  # noqa: F401  (the page has all its words from here)
    Scale,
    effect,
    formula,
    found,
    fragile,
    interval,
    listing,
    number,
    undecided,
    wanted,
)


def aligned(x: float) -> str:
    """A number in a column: three decimals where they say enough, `0.170`."""
    return f"{x:.3f}" if 0.001 <= x < 100 else number(x)


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
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def short(field: str) -> str:
    """The last word of a dotted field: `dropout` of `model_args.dropout`."""
    return field.rpartition(".")[2]


SPLITS = {"train": "training", "val": "validation"}


def plain(metric: str) -> str:
    """A metric in words: `validation error` for `val/error`."""
    split, *rest = metric.split("/")
    return " ".join([SPLITS.get(split, split) if rest else split, *rest]).replace("_", " ")


def paragraphs(text: str) -> Markup:
    """A docstring as HTML: paragraphs, `code`; what is indented, and tables, as they stand."""
    parts = []
    for part in filter(str.strip, text.split("\n\n")):
        pre = all(line.startswith(("    ", "|")) for line in part.splitlines())
        tag, words = ("pre", dedent(part)) if pre else ("p", part.strip())
        marked = re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words)))
        parts.append(f"<{tag}>{marked}</{tag}>")
    return Markup("\n".join(parts))


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
