"""From paired runs to verdicts: pure functions of numbers. The hypothesis tests are scipy's."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import stats

from dlgbench.claim import Bounds, Claim, Reader, Threshold, Verdict, Word
from dlgbench.metrics import is_exact, larger_is_better, smaller_is_better
from dlgbench.samples import Mean, Median, Sample, Share, SharesDiffer, middle, two_sided
from dlgbench.words import MOST_SEEDS

ALPHA = 0.05  # the error rate that the claims of one ablation share
FRAGILE = 0.2  # a verdict whose p is above this without some seed rests on that seed
UNFINISHED = "none"  # the method of a claim of which some seeds have not run
ROUNDING = 1e-12  # numbers that differ relatively by less are the same
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
    inconclusive, as is every claim while runs of some seeds are missing. The method follows from
    the numbers (`dlgbench.samples`): exact binomial for outcomes that are 0 or 1, and exact McNemar
    for a difference of two; of others the sign test where a run diverged or was censored, and where
    all seeds agree in a number that may be chance; else the shape-averaged t.

    Claims about exact numbers spend no error rate: `exactly`; a single seed declared, which means
    that nothing is random; metrics that are the same for every seed (`register_probe`, `exact`).

    A decided verdict is fragile where it rests on one seed: without some seed the verdict is the
    opposite, or p, adjusted as before, is above `FRAGILE`. An exact one has no p.

    The interval is over seeds: over fresh training splits, weights, orders and noise. All seeds
    share the test split and each arm's chosen setting, so it says nothing about another test set.
    """
    found = [list(effects(claim, readings).values()) for claim in claims]
    tests = {
        i: _Test(claim.threshold, bounds, _outcomes(claim, readings))
        for i, (claim, bounds) in enumerate(zip(claims, found, strict=True))
        if not _is_exact(claim, bounds, seeds)
    }
    p_values = {i: test.p() for i, test in tests.items()}
    adjusted, levels = holm(list(p_values.values()))
    verdicts: dict[int, Verdict] = {}
    for (i, test), p, alpha in zip(tests.items(), adjusted, levels, strict=True):
        others = [other for j, other in p_values.items() if j != i]
        verdicts[i] = _tested(test, seeds, p, alpha, others)
    return [
        verdicts[i] if i in verdicts else _exact(claim.threshold, found[i], seeds)
        for i, claim in enumerate(claims)
    ]


def enough(verdict: Verdict, threshold: Threshold) -> float | None:
    """How many seeds would decide an inconclusive claim, were the further ones like these.

    It is the smallest multiple of n at which the values, as often repeated, would be decided at the
    verdict's level; inf where that takes more than `MOST_SEEDS`. None where the verdict is decided,
    and where it is no mean: what ranks and outcomes will be does not follow from a spread.
    """
    if verdict.verdict != "inconclusive" or verdict.method != Mean.method:
        return None
    for times in range(2, MOST_SEEDS // verdict.n + 1):
        sample = Mean(verdict.values * times)
        if _p(sample, threshold) <= _alpha(verdict.level, threshold):
            return float(times * verdict.n)
    return math.inf


def _alpha(level: float, threshold: Threshold) -> float:
    """The error rate of a claim, from the level of its interval."""
    return (1 - level) / 2 if threshold.kind == "within" else 1 - level


def _outcomes(claim: Claim, readings: Readings) -> Literal[0, 1, 2]:
    """Whether a claim's effect is an outcome, 0 or 1, of each seed: 1; of two the difference: 2.

    A metric is an outcome where it is 0 or 1 in every run of the ablation, of whatever arm. One
    that is the same in all of them may be a measure that happened to agree; it counts as an outcome
    where the thresholds are possible shares, since that is then the stricter test.
    """
    needs = claim.effect.needs
    summaries = [summary for runs in readings.values() for summary in runs.values()]
    seen = {summary[metric] for metric, _ in needs for summary in summaries if metric in summary}
    ends = [end for end in (claim.threshold.low, claim.threshold.high) if math.isfinite(end)]
    shares = all(-1 < end < 1 if len(needs) > 1 else 0 < end < 1 for end in ends)
    if len(needs) > 2 or not seen <= {0, 1} or (len(seen) == 1 and not shares):
        return 0
    measured = 0
    for seed, bounds in effects(claim, readings).items():
        row = [known(readings[arm][seed], metric) for metric, arm in needs]
        if _measured(row):
            first, *second = (low for low, _ in row)
            if bounds != (first - sum(second),) * 2:
                return 0
            measured += 1
        elif bounds != (-math.inf, math.inf):
            return 0  # a run that diverged has the worst rank, which is no outcome
    return 0 if not measured else 1 if len(needs) == 1 else 2


@dataclasses.dataclass(frozen=True)
class _Test:
    """The effects of some seeds against a threshold; `outcomes` as `_outcomes` returns it."""

    threshold: Threshold
    found: Sequence[Bounds]
    outcomes: Literal[0, 1, 2]

    @functools.cached_property
    def sample(self) -> Sample:
        if self.outcomes:
            return Share(self.found) if self.outcomes == 1 else SharesDiffer(self.found)
        values = [low for low, _ in self.found]
        return Mean(values) if _measured(self.found) and _spread(values) else Median(self.found)

    def p(self) -> float:
        return _p(self.sample, self.threshold) if len(self.found) > 1 else 1.0

    def word(self, p: float) -> Word:
        """The verdict. `p` is adjusted; which side of an end the effect is on, the tails say."""
        if p > ALPHA:
            return "inconclusive"
        sample, (low, high) = self.sample, (self.threshold.low, self.threshold.high)
        short, past = sample.tails(low) if math.isfinite(low) else (0.0, 1.0)
        within, beyond = sample.tails(high) if math.isfinite(high) else (1.0, 0.0)
        inside = short < past and beyond < within  # the likelier side of each end
        return "supported" if inside else "refuted"

    def is_fragile(self, word: Word, others: Sequence[float]) -> bool:
        """Whether without some seed the verdict turns, or p rises above `FRAGILE`.

        `others` are the p values of the ablation's other claims.
        """
        for seed in range(len(self.found)):
            rest = dataclasses.replace(self, found=[*self.found[:seed], *self.found[seed + 1 :]])
            p = holm([rest.p(), *others])[0][0]
            if p > FRAGILE or rest.word(p) not in (word, "inconclusive"):
                return True
        return False


def _spread(values: Sequence[float]) -> bool:
    """Whether values differ by more than rounding."""
    return bool(np.ptp(values) > ROUNDING * np.max(np.abs(values)))


def _is_exact(claim: Claim, found: Sequence[Bounds], seeds: int) -> bool:
    """Whether nothing random enters: by the threshold, the seeds, or what the metrics are."""
    if not found or not _measured(found):
        return False
    if claim.threshold.kind == "exactly" or seeds == 1:
        return True
    counted = all(is_exact(metric) for metric, _ in claim.effect.needs)
    return counted and not _spread([low for low, _ in found])


def _measured(found: Sequence[Bounds]) -> bool:
    return all(low == high and math.isfinite(low) for low, high in found)


def _p(sample: Sample, threshold: Threshold) -> float:
    """The p value of a claim: of the test against the threshold's end; the larger one of two ends.

    For `within` these are two one-sided tests, so it is half the two-sided p value.
    """
    ends = [end for end in (threshold.low, threshold.high) if math.isfinite(end)]
    p = max(two_sided(sample, end) for end in ends)
    return p / 2 if threshold.kind == "within" else p


def _tested(test: _Test, seeds: int, p: float, alpha: float, others: Sequence[float]) -> Verdict:
    n, values = len(test.found), tuple(map(middle, test.found))
    if n < seeds:
        return _unfinished(values, seeds)
    level = 1 - (2 * alpha if test.threshold.kind == "within" else alpha)
    sample, word = test.sample, test.word(p)
    interval, note = sample.interval(level), ""
    if unmeasured := sum(not _measured([bounds]) for bounds in test.found):
        note = f"{unmeasured} of {n} seeds with a diverged or censored run"
        if sample.method == Median.method:
            note += ": the interval is the median's, from ranks"
        else:
            note += ": each end of the interval takes them for what moves it farthest"
    elif sample.method == Median.method:
        note = f"all {n} seeds agree: the interval is the median's, from ranks"
    if sample.method == Median.method and 2 * 0.5**n > 1 - level:
        note += f", of which {n} are too few for this level"
    fragile = word != "inconclusive" and test.is_fragile(word, others)
    return Verdict(word, sample.effect, interval, level, p, n, values, sample.method, note, fragile)


def _exact(threshold: Threshold, found: Sequence[Bounds], seeds: int) -> Verdict:
    n, values = len(found), tuple(map(middle, found))
    if n < seeds:
        return _unfinished(values, seeds)
    effect, word = values[0], _exact_word(threshold, values)
    if threshold.kind == "exactly":  # the worst seed
        effect = max(values, key=lambda number: abs(number - threshold.low))
    rests = (values[:seed] + values[seed + 1 :] for seed in range(n)) if n > 1 else ()
    opposite = {"supported": "refuted", "refuted": "supported"}.get(word)
    fragile = any(_exact_word(threshold, rest) == opposite for rest in rests)
    interval = min(values), max(values)
    return Verdict(word, effect, interval, 1.0, None, n, values, "exact", fragile=fragile)


def _exact_word(threshold: Threshold, values: Sequence[float]) -> Word:
    """The verdict on exact values. One other than wanted refutes `exactly`."""
    least, most = min(values), max(values)
    if threshold.low <= least and most <= threshold.high:
        return "supported"
    if threshold.kind == "exactly" or most < threshold.low or least > threshold.high:
        return "refuted"
    return "inconclusive"


def _unfinished(values: tuple[float, ...], seeds: int) -> Verdict:
    mean, interval = float(np.mean(values)) if values else math.nan, (-math.inf, math.inf)
    note, n = f"{len(values)} of {seeds} seeds have run", len(values)
    return Verdict("inconclusive", mean, interval, 1 - ALPHA, None, n, values, UNFINISHED, note)
