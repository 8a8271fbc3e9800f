"""From paired runs to verdicts: pure functions of numbers. The hypothesis tests are scipy's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import stats

from dlgbench.claim import Bounds, Claim, Reader, Threshold, Verdict
from dlgbench.metrics import larger_is_better, smaller_is_better
from dlgbench.words import MOST_SEEDS

ALPHA = 0.05  # the error rate that the claims of one ablation share
# arm -> seed -> summary; the summary of a diverged run has the key "diverged"
Readings = Mapping[str, Mapping[int, Mapping[str, float]]]


def known(summary: Mapping[str, float], metric: str) -> Bounds:
    """The bounds of a metric, from a run's summary.

    (x, x) for a metric that was measured, (bound, inf) for one that was censored. A diverged run
    has the worst rank: (inf, inf) where smaller is better, (-inf, -inf) where larger is better.
    Otherwise the metric is unknown: (-inf, inf).
    """
    if metric in summary:
        number = summary[metric]
        return (-math.inf, math.inf) if math.isnan(number) else (number, number)
    if f"{metric}/censored_at" in summary:
        return summary[f"{metric}/censored_at"], math.inf
    if "diverged" in summary and smaller_is_better(metric):
        return math.inf, math.inf
    if "diverged" in summary and larger_is_better(metric):
        return -math.inf, -math.inf
    return -math.inf, math.inf


def effects(claim: Claim, readings: Readings) -> dict[int, Bounds]:
    """The claim's effect for each seed of which all arms that it needs have a run."""
    arms = {arm for _, arm in claim.effect.needs}
    seeds = set.intersection(*(set(readings.get(arm, {})) for arm in arms))

    def reader(seed: int) -> Reader:
        return lambda metric, arm: known(readings[arm][seed], metric)

    return {seed: claim.effect.of(reader(seed)) for seed in sorted(seeds)}


def t_interval(values: Sequence[float], level: float) -> tuple[float, float]:
    """Student's two-sided interval for the mean: mean ± t_(n-1) s / sqrt n.

    Values without spread give a point.
    """
    if len(values) < 2:
        return -math.inf, math.inf
    if np.ptp(values) == 0.0:
        return values[0], values[0]
    mean, error = float(np.mean(values)), float(stats.sem(values))
    low, high = stats.t.interval(level, len(values) - 1, mean, error)
    return float(low), float(high)


def t_p(values: Sequence[float], bound: float) -> float:
    """Two-sided p value of the one-sample t test of H0: the mean is `bound`."""
    if np.ptp(values) == 0.0:
        return 1.0 if values[0] == bound else 0.0
    with warnings.catch_warnings():  # scipy warns of values that differ only in their last bits
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(stats.ttest_1samp(values, bound).pvalue)


def median_interval(effects: Sequence[Bounds], level: float) -> tuple[float, float]:
    """The sign test's interval for the median, from order statistics: [x_(k+1), x_(n-k)].

    k is the largest number with P(Bin(n, 1/2) <= k) <= (1 - level) / 2. The interval needs only
    ranks, so it holds for bounds too: each effect lies in [low, high], and so the order statistics
    lie between those of the lows and those of the highs.
    """
    n = len(effects)
    k = int(stats.binom.ppf((1 - level) / 2, n, 0.5)) - 1
    while k + 1 <= n and stats.binom.cdf(k + 1, n, 0.5) <= (1 - level) / 2:
        k += 1
    if k < 0:
        return -math.inf, math.inf
    return sorted(low for low, _ in effects)[k], sorted(high for _, high in effects)[n - 1 - k]


def median_p(effects: Sequence[Bounds], bound: float) -> float:
    """Two-sided p value of the sign test of H0: the median is `bound`.

    It is the largest p value that the bounds of the effects allow.
    """
    n = len(effects)
    above, below = sum(low > bound for low, _ in effects), sum(high < bound for _, high in effects)
    larger = max(above, below)
    return min(1.0, float(stats.binomtest(larger, n, 0.5).pvalue)) if larger > n / 2 else 1.0


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> tuple[list[float], list[float]]:
    """Holm's (1979) step-down procedure: the adjusted p values, and each hypothesis's level.

    A hypothesis is tested at the level alpha / (m - rank + 1). After the first one that is not
    rejected the level stays the same, so that adjusted p <= alpha is equivalent to p <= level.
    """
    m = len(p_values)
    adjusted, levels = [0.0] * m, [alpha] * m
    highest, left = 0.0, m
    for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index], levels[index] = highest, alpha / left
        left -= p_values[index] <= alpha / left
    return adjusted, levels


def judge(claims: Sequence[Claim], readings: Readings, seeds: int) -> list[Verdict]:
    """The verdicts on the claims of one ablation, which declares `seeds` seeds; in their order.

    Supported: the whole interval lies within the threshold; refuted: wholly outside it; else
    inconclusive, as is every claim while runs of some seeds are missing. The interval is Student's;
    where a run diverged or was censored it is the sign test's for the median.

    Claims about exact numbers (`exactly`, or a single seed declared, which means that nothing is
    random) spend no error rate.

    The interval is over seeds: over fresh training splits, weights, orders and noise. All seeds
    share the test split and each arm's chosen setting, so it says nothing about another test set.
    """
    found = [list(effects(claim, readings).values()) for claim in claims]
    tested = [i for i, claim in enumerate(claims) if not _is_exact(claim, found[i], seeds)]
    adjusted, levels = holm([_p(found[i], claims[i].threshold) for i in tested])
    by_index = {i: (p, level) for i, p, level in zip(tested, adjusted, levels, strict=True)}
    return [
        _verdict(claim, found[i], seeds, *by_index.get(i, (None, 0.0)))
        for i, claim in enumerate(claims)
    ]


def seeds_to_decide(mean: float, sd: float, level: float, threshold: Threshold) -> float:
    """The smallest n at which an effect with this mean and spread would be decided.

    There Student's interval, mean ± t_(n-1) sd / sqrt n, lies wholly inside the threshold or wholly
    outside; it becomes narrower with n. inf where that takes more than `MOST_SEEDS`.
    """
    n = np.arange(2, MOST_SEEDS + 1)
    half = stats.t.ppf((1 + level) / 2, n - 1) * sd / np.sqrt(n)
    low, high = mean - half, mean + half
    inside = (threshold.low < low) & (high < threshold.high)
    decided = inside | (high < threshold.low) | (low > threshold.high)
    return float(n[decided.argmax()]) if decided.any() else math.inf


def enough(verdict: Verdict, threshold: Threshold) -> float | None:
    """How many seeds would decide an inconclusive claim, with the mean and spread of these.

    The level stays the verdict's. None where the verdict is decided, and where its interval is not
    Student's: the median's, from ranks, does not follow from a spread.
    """
    if verdict.verdict != "inconclusive" or verdict.method != "paired t":
        return None
    sd = float(np.std(verdict.values, ddof=1))
    return seeds_to_decide(verdict.effect, sd, verdict.level, threshold)


def _is_exact(claim: Claim, found: Sequence[Bounds], seeds: int) -> bool:
    return bool(found) and _measured(found) and (claim.threshold.kind == "exactly" or seeds == 1)


def _measured(found: Sequence[Bounds]) -> bool:
    return all(low == high and math.isfinite(low) for low, high in found)


def _p(found: Sequence[Bounds], threshold: Threshold) -> float:
    """The p value of a claim: of the test against the threshold's end; the larger one of two ends.

    For `within` these are two one-sided tests, so it is half the two-sided p value.
    """
    if len(found) < 2:
        return 1.0
    ends = [end for end in (threshold.low, threshold.high) if math.isfinite(end)]
    if _measured(found):
        p = max(t_p([low for low, _ in found], end) for end in ends)
    else:
        p = max(median_p(found, end) for end in ends)
    return p / 2 if threshold.kind == "within" else p


def _verdict(
    claim: Claim, found: Sequence[Bounds], seeds: int, p: float | None, alpha: float
) -> Verdict:
    threshold, n = claim.threshold, len(found)
    middles = tuple(map(_middle, found))
    if n < seeds:
        mean, interval = float(np.mean(middles)) if n else math.nan, (-math.inf, math.inf)
        note = f"{n} of {seeds} seeds have run"
        return Verdict("inconclusive", mean, interval, 1 - ALPHA, None, n, middles, "none", note)
    level = 1 - (2 * alpha if threshold.kind == "within" else alpha)
    if p is None:
        interval, method, effect = (min(middles), max(middles)), "exact", middles[0]
        if threshold.kind == "exactly":  # the worst seed
            effect = max(middles, key=lambda number: abs(number - threshold.low))
    elif _measured(found):
        interval, method, effect = t_interval(middles, level), "paired t", float(np.mean(middles))
    else:
        interval, method = median_interval(found, level), "sign test"
        effect = float(np.median(middles))
    inside = threshold.low <= interval[0] and interval[1] <= threshold.high
    outside = interval[1] < threshold.low or interval[0] > threshold.high
    if p is None and threshold.kind == "exactly":
        outside = not inside
    if p is not None and p > ALPHA:  # an end that lies on the threshold excludes nothing
        inside = outside = False
    note = ""
    if unmeasured := sum(low != high or not math.isfinite(low) for low, high in found):
        runs = f"{unmeasured} of {n} seeds with a diverged or censored run"
        note = f"{runs}: the interval is the median's, from ranks"
    word: Literal["supported", "refuted", "inconclusive"]
    word = "supported" if inside else "refuted" if outside else "inconclusive"
    return Verdict(word, effect, interval, level, p, n, middles, method, note)


def _middle(bounds: Bounds) -> float:
    """The number that stands for bounds: the number itself, else the finite bound, else nan."""
    low, high = bounds
    if low == high or math.isfinite(low):
        return low
    return high if math.isfinite(high) else math.nan
