"""A claim: a hypothesis that is written down before its data exist, and the verdict on it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from dlgbench import words
from dlgbench.errors import DlgbenchError, unknown

# what is known of a number: (x, x) where it was measured, (bound, inf) where it was censored
Bounds = tuple[float, float]
Reader = Callable[[str, str], Bounds]  # (metric, arm) -> what is known of it, for one seed
Word = Literal["supported", "refuted", "inconclusive"]
Expected = Literal["supported", "refuted", "inconclusive", "not supported"]
Kind = Literal["claim", "slip", "control", "twin", "check"]
KINDS: tuple[Kind, ...] = ("claim", "slip", "control", "twin", "check")
EXPECTED: tuple[Expected, ...] = ("supported", "refuted", "inconclusive", "not supported")
COLORS = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}  # in a terminal


@dataclasses.dataclass(frozen=True)
class Effect:
    """One number per seed, made of the paired runs of that seed.

    Args:
        formula: the effect as a table shows it, `test/error: none - dropout`.
        needs: the (metric, arm) pairs that it reads.
        of: the function from a reader of one seed's runs to the bounds of that seed's effect.
        quantity: what it measures, `difference of test/error`; effects of one quantity share an
            axis.
        scale: `log` for the logarithm of a ratio; plots then show the ratio.
        beside: what the effect depends on beside its formula, such as the x of a slope.
    """

    formula: str
    needs: tuple[tuple[str, str], ...]
    of: Callable[[Reader], Bounds] = dataclasses.field(repr=False, compare=False)
    quantity: str = ""
    scale: Literal["linear", "log"] = "linear"
    beside: str = ""


def _minus(a: Bounds, b: Bounds) -> Bounds:
    """The bounds of a - b. Where both are infinite the difference is unknown: (-inf, inf)."""
    low, high = a[0] - b[1], a[1] - b[0]
    return (-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)


def _log(bounds: Bounds) -> Bounds:
    low, high = (math.log(x) if x > 0 else -math.inf for x in bounds)
    return low, high


def _paired(
    formula: str, metric: str, arms: Sequence[str], of: Callable[[Reader], Bounds]
) -> Effect:
    needs = tuple((metric, arm) for arm in arms)
    return Effect(formula, needs, of, f"difference of {metric}")


def value(metric: str, arm: str) -> Effect:
    """The metric itself: x_arm."""
    return Effect(f"{metric}: {arm}", ((metric, arm),), lambda read: read(metric, arm), metric)


def difference(metric: str, arm: str, other: str) -> Effect:
    """The paired difference x_arm - x_other; for an error, how much better `other` is."""
    return _paired(
        f"{metric}: {arm} - {other}",
        metric,
        (arm, other),
        lambda read: _minus(read(metric, arm), read(metric, other)),
    )


def contrast(metric: str, other: str, arm: str) -> Effect:
    """The difference x_metric - x_other of two metrics of the same runs.

    `contrast("averaging/once", "averaging/k50", "dropout")`.
    """
    return Effect(
        f"{arm}: {metric} - {other}",
        ((metric, arm), (other, arm)),
        lambda read: _minus(read(metric, arm), read(other, arm)),
        f"difference of {metric} and {other}",
    )


def log_ratio(metric: str, arm: str, other: str) -> Effect:
    """The paired log ratio ln(x_arm / x_other), for steps to a target, times and norms.

    `at_least(math.log(2))` is twofold.
    """
    return Effect(
        f"ln {metric}: {arm} / {other}",
        ((metric, arm), (metric, other)),
        lambda read: _minus(_log(read(metric, arm)), _log(read(metric, other))),
        f"log ratio of {metric}",
        "log",
    )


def log_contrast(metric: str, other: str, arm: str) -> Effect:
    """The log ratio ln(x_metric / x_other) of two metrics of the same runs.

    For times that one cell measured in turn: `log_contrast("step/engine", "step/bare", "mlp")`.
    """
    return Effect(
        f"{arm}: ln {metric} / {other}",
        ((metric, arm), (other, arm)),
        lambda read: _minus(_log(read(metric, arm)), _log(read(other, arm))),
        f"log ratio of {metric} and {other}",
        "log",
    )


def interaction(metric: str, pair: tuple[str, str], other: tuple[str, str]) -> Effect:
    """The difference of differences (x_a - x_b) - (x_c - x_d) for pairs (a, b) and (c, d)."""
    (a, b), (c, d) = pair, other

    def of(read: Reader) -> Bounds:
        first = _minus(read(metric, a), read(metric, b))
        return _minus(first, _minus(read(metric, c), read(metric, d)))

    return _paired(f"{metric}: ({a} - {b}) - ({c} - {d})", metric, (a, b, c, d), of)


def slope(metric: str, at: Mapping[str, float]) -> Effect:
    """The least-squares slope of the metric over x, arm by arm.

    `slope("train/error", {"d20": 20, "d32": 32, "d56": 56})`.
    """
    if len(set(at.values())) < 2:
        raise DlgbenchError(f"slope of {metric}: expected at least two different x, got {dict(at)}")
    mean = sum(at.values()) / len(at)
    spread = sum((x - mean) ** 2 for x in at.values())

    def of(read: Reader) -> Bounds:
        low = high = 0.0
        for arm, x in at.items():
            weight, y = (x - mean) / spread, read(metric, arm)
            ends = sorted((weight * y[0], weight * y[1])) if weight else (0.0, 0.0)
            low, high = low + ends[0], high + ends[1]
        return (-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)

    formula = f"slope of {metric} over {', '.join(at)}"
    needs = tuple((metric, arm) for arm in at)
    return Effect(formula, needs, of, formula, beside=f"at {', '.join(map(repr, at.values()))}")


@dataclasses.dataclass(frozen=True)
class Threshold:
    """The smallest effect of interest.

    Supported: the whole interval lies in [low, high]; refuted: wholly outside it.
    """

    kind: Literal["at_least", "at_most", "within", "exactly"]
    low: float
    high: float

    def __str__(self) -> str:
        match self.kind:
            case "at_least":
                return f"at least {self.low:g}"
            case "at_most":
                return f"at most {self.high:g}"
            case "within":
                if self.low == -self.high:
                    return f"within ±{self.high:g}"
                return f"within {self.low:g} and {self.high:g}"
            case "exactly":
                return f"exactly {self.low:g}"


def at_least(least: float) -> Threshold:
    """The effect is `least` or more."""
    return Threshold("at_least", least, math.inf)


def at_most(most: float) -> Threshold:
    """The effect is `most` or less."""
    return Threshold("at_most", -math.inf, most)


def within(margin: float, around: float = 0.0) -> Threshold:
    """The effect is `around` give or take `margin`: equivalence, by two one-sided tests."""
    if margin <= 0:
        raise DlgbenchError(
            f"within: expected a margin above 0 (for no margin at all, use exactly), got {margin!r}"
        )
    return Threshold("within", around - margin, around + margin)


def exactly(number: float) -> Threshold:
    """The effect is `number` in every run, with no error at all."""
    return Threshold("exactly", number, number)


def id_of(statement: str) -> str:
    """A claim's statement as one word."""
    return re.sub(r"[^a-z0-9]+", "-", statement.lower()).strip("-")


@dataclasses.dataclass(frozen=True)
class Claim:
    """A hypothesis, written down before its data exist.

    Args:
        statement: the claim in our words.
        effect: one number per seed (`difference`, `contrast`, `log_ratio`, `log_contrast`,
            `interaction`, `slope`, `value`).
        threshold: the smallest effect of interest (`at_least`, `at_most`, `within`, `exactly`).
        slide: the slide that makes the claim; by default the ablation's.
        published, source: the published number, and where it was published.
        expect: the verdict that we expect. A claim with `refuted` passes when it is refuted; one
            with `not supported` fails only when it is supported.
        objection: what an expert would object.
        kind: `claim`; `slip`, a statement that the slides get wrong; `control`, which must not be
            supported; `twin`, a control whose arms differ in name only (A/A); `check`, a statement
            in a control file that must hold. The default follows from `expect`: `slip` for
            `refuted`, `control` for `not supported`, else `claim`.
    """

    statement: str
    effect: Effect = None  # type: ignore[assignment]  # a missing one is refused below, by name
    threshold: Threshold = None  # type: ignore[assignment]  # the same
    slide: str = ""
    published: str = ""
    source: str = ""
    expect: Expected = "supported"
    objection: str = ""
    kind: Kind = ""  # type: ignore[assignment]  # follows from `expect`, below

    def __post_init__(self) -> None:
        if not isinstance(self.statement, str) or not self.statement.strip():
            raise DlgbenchError(f"claim: expected a statement, got {self.statement!r}")
        where = f"claim {self.statement!r}"
        if not isinstance(self.effect, Effect):
            effects = "difference, contrast, log_ratio, log_contrast, interaction, slope, value"
            raise DlgbenchError(f"{where}: expected an effect ({effects}), got {self.effect!r}")
        if not isinstance(self.threshold, Threshold):
            thresholds = "at_least, at_most, within, exactly"
            raise DlgbenchError(
                f"{where}: expected a threshold ({thresholds}), got {self.threshold!r}"
            )
        if self.expect not in EXPECTED:
            raise unknown("verdict", self.expect, EXPECTED, where)
        if not self.kind:
            kinds: dict[str, Kind] = {"refuted": "slip", "not supported": "control"}
            object.__setattr__(self, "kind", kinds.get(self.expect, "claim"))
        if self.kind not in KINDS:
            raise unknown("kind of claim", self.kind, KINDS, where)

    @property
    def id(self) -> str:
        """The statement as one word, for pytest's `-k` and for tags."""
        return id_of(self.statement)

    @property
    def asked(self) -> str:
        """What is asked, effect and threshold: a verdict on something else is none on the claim."""
        effect = " ".join(filter(None, (self.effect.formula, self.effect.beside)))
        return f"{effect}: {self.threshold}"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of a claim: `supported`, `refuted` or `inconclusive`, with its numbers.

    Args:
        verdict: the verdict.
        effect, n, values: the estimate (by the method, a mean, median or share), the number of
            seeds, and the effect of each seed.
        interval: the interval of the effect, of confidence `level`: Holm's step-down level, so that
            the claims of one ablation share one error rate.
        p: the p value, adjusted by Holm's method; None for an exact claim.
        method: the method of the interval.
        note: what the reader must know: censored or diverged runs, values that all agree.
        fragile: whether the verdict rests on one seed: without some seed it is the opposite, or p
            is above .2.
    """

    verdict: Word
    effect: float
    interval: tuple[float, float]
    level: float
    p: float | None
    n: int
    values: tuple[float, ...]
    method: str
    note: str = ""
    fragile: bool = False

    def line(self, claim: Claim) -> str:
        """The verdict in one line.

        `supported: test/error: none - dropout = 0.019 [0.015, 0.023], wanted at least 0.005 ...`.
        """
        effect, interval = words.found(self, claim.effect.scale)
        level = "range over the seeds" if self.method == "exact" else f"{self.level:.1%}"
        between = f" {interval} ({level})" if interval else ""
        p = "" if self.p is None else f", p = {self.p:.2g}"
        note = "".join(f"; {text}" for text in (self.note, words.fragile(self.fragile)) if text)
        found = f"{self.verdict}: {words.formula(claim.effect)} = {effect}{between}"
        return f"{found}, wanted {words.wanted(claim)}{p}, n = {self.n}{note}"

    def passes(self, claim: Claim) -> bool:
        """Whether the verdict is the expected one, or does not contradict the expectation."""
        also = {
            "not supported": ("refuted", "inconclusive"),
            "inconclusive": ("inconclusive", "supported"),
        }
        return self.verdict in also.get(claim.expect, (claim.expect,))


def unique(claims: Sequence[Claim], where: str) -> None:
    """Refuses two claims with the same id.

    Raises:
        DlgbenchError: for the first statement that occurs twice.
    """
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            raise DlgbenchError(
                f"{where}: expected a statement of its own for each claim, got "
                f"{claim.statement!r} twice"
            )
        seen.add(claim.id)
