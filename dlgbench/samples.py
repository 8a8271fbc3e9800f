"""What the effects of a few seeds tell of the effect itself: one class for each kind of number.

Each has a `method`, the `effect`, and `tails(bound)`: the one-sided p values of "the effect is at
most `bound`" and of "it is at least `bound`". The ends of `interval(level)` are where these are
(1 - level) / 2, so that an interval and a p value always say the same. docs/statistics.md tells
why each method was chosen, and how often it errs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy import optimize, special, stats

from dlgbench.claim import Bounds

Array = np.ndarray


class Sample(Protocol):
    """The effects of some seeds."""

    method: str

    @property
    def effect(self) -> float:
        """The estimate."""

    def tails(self, bound: float) -> tuple[Any, Any]:  # floats; an array's, of many samples
        """P values of H0: the effect is at most `bound`; and at least `bound`."""

    def interval(self, level: float) -> tuple[float, float]:
        """The two-sided interval of the effect: what neither tail excludes."""


def two_sided(sample: Sample, bound: float) -> float:
    """Two-sided p value of H0: the effect is `bound`. Twice the smaller tail."""
    return min(1.0, 2 * float(min(sample.tails(bound))))


# the mean -----------------------------------------------------------------------------------------

GAPS = np.exp(np.linspace(-9, 6, 64))  # from the shift of a lognormal law to the smallest value
SKEWED = 6  # the prior odds of a normal shape to a skewed one are n : SKEWED
LEAST = 1e-16  # a smaller p value of a difference of shares is 0


class Mean:
    """The mean of values whose law may be skewed: the shape-averaged t.

    Student's t takes the law for normal. Of a skewed law it misses the long tail, and is then wrong
    in up to half of the families of ten claims. Here the law is x = m + s z with the shape of z
    normal, lognormal (sigma = 1, skewness 6.2), or its mirror image. Under a given shape, and the
    prior dm ds / s, the posterior tail of the mean is an exact p value: its error rate is that
    which it names (Fisher 1934; the prior is the right Haar measure). For the normal shape it is
    Student's. The shapes are averaged by their posterior weights; a normal one has the prior odds
    n : 6 to a skewed one, and both signs of the skewness are alike. An average may fall below
    Student's tail, where the other shapes put the mean elsewhere; then Student's counts. So the
    interval is never narrower than his, and it is longer on the side of the long tail.

    For the lognormal shape x_i = a + b exp(z_i), with mean a + b sqrt(e): given a, ln b is normal
    around mean(ln(x_i - a)) with variance 1 / n, and a is integrated numerically.

    Source: Morgenthaler and Tukey 1991, "Configural Polysampling" (a compromise between shapes,
    given the configuration of the sample); Fisher 1934, "Two new properties of mathematical
    likelihood".

    Args:
        values: (..., n), n >= 2 finite values that are not all the same.
    """

    method = "shape-averaged t"

    def __init__(self, values: Sequence[float] | Array) -> None:
        x = np.asarray(values, dtype=float)
        n = self.n = x.shape[-1]
        self.center, self.spread = x.mean(-1), x.std(-1, ddof=1)
        z = (x - self.center[..., None]) / self.spread[..., None]
        self._right, self._left = _Lognormal.of(z), _Lognormal.of(-z)
        normal = (  # the integral of the likelihood over m and s, of n values with SD 1
            special.gammaln((n - 1) / 2)
            - math.log(2 * math.sqrt(n))
            - (n - 1) / 2 * math.log(math.pi * (n - 1))
        )
        prior = np.log([n, SKEWED / 2, SKEWED / 2])
        evidence = np.broadcast_arrays(normal, self._right.evidence, self._left.evidence)
        self._weights = special.softmax(np.stack(evidence, -1) + prior, axis=-1)

    @property
    def effect(self) -> float:
        """The mean."""
        return float(self.center)

    def tails(self, bound: float) -> tuple[Array, Array]:
        """P values of H0: the mean is at most `bound`; and at least `bound`. Of each sample."""
        z = (bound - self.center) / self.spread
        right, left = self._right.tails(z), self._left.tails(-z)[::-1]
        student = (special.stdtr(self.n - 1, sign * math.sqrt(self.n) * z) for sign in (1, -1))
        below, above = (
            np.maximum(normal, (self._weights * np.stack([normal, *skewed], -1)).sum(-1))
            for normal, *skewed in zip(student, right, left, strict=True)
        )
        return below, above

    def interval(self, level: float) -> tuple[float, float]:
        """The interval of the mean, of one sample."""
        tail = (1 - level) / 2
        half = float(stats.t.isf(tail, self.n - 1) * self.spread / math.sqrt(self.n))
        low, high = (self._end(side, tail, sign * half) for side, sign in ((0, 1), (1, -1)))
        return low, high

    def _end(self, side: int, tail: float, half: float) -> float:
        """Where tail `side` falls to `tail`: at Student's end, center - half, or farther out."""

        def end(times: float) -> float:
            return self.effect - times * half

        def beyond(times: float) -> float:
            return float(self.tails(end(times))[side]) - tail

        if beyond(1.0) <= 0:
            return end(1.0)
        far = 2.0
        while beyond(far) > 0:
            far *= 2
        return end(float(optimize.brentq(beyond, far / 2, far)))


@dataclasses.dataclass(frozen=True)
class _Lognormal:
    """Values z (..., n) with mean 0 and SD 1 as a + b exp(normal): what is known of the mean.

    Args:
        evidence: the log of the integral of the likelihood over a and ln b.
        shifts: the shifts a, (..., G); weights: their posterior weights.
        logs: the mean of ln(z - a) at each.
        n: how many values.
    """

    evidence: Array
    shifts: Array
    weights: Array
    logs: Array
    n: int

    @classmethod
    def of(cls, z: Array) -> _Lognormal:
        n, lowest = z.shape[-1], z.min(-1)[..., None]
        logs = np.log((z - lowest)[..., None, :] + GAPS[:, None])  # (..., G, n)
        mean = logs.mean(-1)
        square = n * logs.var(-1)
        step = math.log(GAPS[1] / GAPS[0])  # the shifts are even in the log of the gap
        density = np.log(GAPS * step) - n * mean - square / 2
        evidence = special.logsumexp(density, axis=-1)
        weights = np.exp(density - evidence[..., None])
        constant = (n - 1) / 2 * math.log(2 * math.pi) + math.log(n) / 2
        return cls(evidence - constant, lowest - GAPS, weights, mean, n)

    def tails(self, z: Array) -> tuple[Array, Array]:
        """P(mean <= z), P(mean >= z); the mean is a + b sqrt(e)."""
        above_shift = np.maximum(np.asarray(z)[..., None] - self.shifts, 1e-300)
        score = math.sqrt(self.n) * (np.log(above_shift) - 0.5 - self.logs)
        below, above = ((self.weights * special.ndtr(sign * score)).sum(-1) for sign in (1, -1))
        return below, above


# ranks --------------------------------------------------------------------------------------------


class Median:
    """The median, by the sign test: for effects that are bounds, and for values that all agree.

    The interval is [x_(k+1), x_(n-k)], where k is the largest number with P(Bin(n, 1/2) <= k) <=
    (1 - level) / 2. It needs only ranks, so it holds for bounds too: each effect lies in
    [low, high], and so the order statistics lie between those of the lows and those of the highs.
    A tail is the largest that the bounds allow.
    """

    method = "sign test"

    def __init__(self, found: Sequence[Bounds]) -> None:
        self.lows = sorted(low for low, _ in found)
        self.highs = sorted(high for _, high in found)
        self.effect = float(np.median([middle(bounds) for bounds in found]))

    def tails(self, bound: float) -> tuple[float, float]:
        """P values of H0: the median is at most `bound`; and at least `bound`."""
        n = len(self.lows)
        above, below = sum(x > bound for x in self.lows), sum(x < bound for x in self.highs)
        return _binomial(above, n, 0.5), _binomial(below, n, 0.5)

    def interval(self, level: float) -> tuple[float, float]:
        """The interval of the median; infinite where n is too small for the level."""
        n, tail = len(self.lows), (1 - level) / 2
        k = int(stats.binom.ppf(tail, n, 0.5)) - 1
        while k + 1 <= n and stats.binom.cdf(k + 1, n, 0.5) <= tail:
            k += 1
        if k < 0:
            return -math.inf, math.inf
        return self.lows[k], self.highs[n - 1 - k]


def middle(bounds: Bounds) -> float:
    """The number that stands for bounds: the number itself, else the finite bound, else nan."""
    low, high = bounds
    if low == high or math.isfinite(low):
        return low
    return high if math.isfinite(high) else math.nan


# outcomes of 0 or 1 -------------------------------------------------------------------------------


class Share:
    """The share of the seeds whose outcome is 1: exact binomial (Clopper and Pearson 1934).

    An outcome that is not known, of a run that diverged, is 0 in one tail and 1 in the other, as
    makes that tail larger; the estimate is the share among the others.

    Args:
        found: the bounds of the outcomes, each 0 or 1.
    """

    method = "exact binomial"

    def __init__(self, found: Sequence[Bounds]) -> None:
        lows, highs = _within(found, 0.0)
        self.n = len(found)
        self.ones, self.zeros = lows.count(1.0), highs.count(0.0)
        known = self.ones + self.zeros
        self.effect = self.ones / known if known else math.nan

    def tails(self, bound: float) -> tuple[float, float]:
        """P values of H0: the share is at most `bound`; and at least `bound`."""
        if not 0 <= bound <= 1:  # a share is always at least 0 and at most 1
            return (0.0, 1.0) if bound < 0 else (1.0, 0.0)
        return _binomial(self.ones, self.n, bound), _binomial(self.zeros, self.n, 1 - bound)

    def interval(self, level: float) -> tuple[float, float]:
        """Clopper and Pearson's interval."""
        low, _ = stats.binomtest(self.ones, self.n).proportion_ci(level, "exact")
        _, high = stats.binomtest(self.n - self.zeros, self.n).proportion_ci(level, "exact")
        return float(low), float(high)


def _within(found: Sequence[Bounds], least: float) -> tuple[list[float], list[float]]:
    """The lower and the upper bounds, between `least` and 1."""
    lows, highs = ([min(max(end, least), 1.0) for end in ends] for ends in zip(*found, strict=True))
    return lows, highs


class SharesDiffer:
    """The paired difference of two shares: exact McNemar, and an exact interval.

    Of n pairs of outcomes, b have a 1 in the first arm alone and c in the second alone; the effect
    is (b - c) / n. At a difference of 0 the tails are those of McNemar's exact test, given b + c:
    b is Bin(b + c, 1/2). At any other difference that test does not apply, since its probability
    then depends on how often a pair differs at all. There, b / n and c / n get one-sided Clopper
    and Pearson limits, each at half the tail; the difference of the two limits bounds the
    difference of the shares (Bonferroni), and the tail is the one at which it equals `bound`. A
    difference below 0 is excluded also where McNemar excludes 0, and one above 0 only if he does,
    so that the p values grow with the distance. Conservative; a test sums all possible outcomes.

    A difference that is not known, of a run that diverged, is -1 in one tail and 1 in the other, as
    makes that tail larger; the estimate is of the others.

    Source: McNemar 1947; for the interval Clopper and Pearson 1934.

    Args:
        found: the bounds of the difference of each pair: -1, 0 or 1.
    """

    method = "exact McNemar"

    def __init__(self, found: Sequence[Bounds]) -> None:
        self.n = len(found)
        lows, highs = _within(found, -1.0)
        self._least, self._most = (
            (ends.count(1.0), ends.count(-1.0)) for ends in (lows, highs)
        )  # in how many pairs the outcome is 1 in the first arm alone, and in the second alone
        known = [low for low, high in zip(lows, highs, strict=True) if low == high]
        self.effect = float(np.mean(known)) if known else math.nan

    def tails(self, bound: float) -> tuple[float, float]:
        """P values of H0: the difference is at most `bound`; and at least `bound`."""
        return (
            _mcnemar(*self._least, self.n, bound),
            _mcnemar(*self._most[::-1], self.n, -bound),
        )

    def interval(self, level: float) -> tuple[float, float]:
        """All differences whose tails are above (1 - level) / 2."""
        tail = (1 - level) / 2
        return (
            _least_difference(*self._least, self.n, tail),
            -_least_difference(*self._most[::-1], self.n, tail),
        )


def _mcnemar(b: int, c: int, n: int, bound: float) -> float:
    """P value of H0: the difference of the shares is at most `bound`."""
    if not -1 <= bound <= 1:
        return 0.0 if bound < -1 else 1.0
    at_zero = _binomial(b, b + c, 0.5)
    if bound == 0:
        return at_zero
    if _apart(b, c, n, 1.0) <= bound:
        apart = 1.0
    elif _apart(b, c, n, LEAST) >= bound:
        apart = 0.0
    else:
        log_tail = optimize.brentq(
            lambda log_tail: _apart(b, c, n, math.exp(log_tail)) - bound, math.log(LEAST), 0.0
        )
        apart = math.exp(log_tail)
    return min(at_zero, apart) if bound < 0 else max(at_zero, apart)


def _apart(b: int, c: int, n: int, tail: float) -> float:
    """The lower limit of the difference of two shares b / n, c / n: of the one less of the other.

    Each limit is Clopper and Pearson's, at half the tail.
    """
    least = stats.beta.ppf(tail / 2, b, n - b + 1) if b else 0.0
    most = stats.beta.isf(tail / 2, c + 1, n - c) if c < n else 1.0
    return float(least - most)


def _least_difference(b: int, c: int, n: int, tail: float) -> float:
    apart = _apart(b, c, n, tail)
    return max(apart, 0.0) if _binomial(b, b + c, 0.5) <= tail else min(apart, 0.0)


def _binomial(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) >= k)."""
    return float(stats.binomtest(k, n, p, alternative="greater").pvalue) if n else 1.0
