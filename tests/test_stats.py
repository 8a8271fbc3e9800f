import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from dlgbench import (
    Claim,
    at_least,
    at_most,
    contrast,
    difference,
    exactly,
    log_ratio,
    value,
    within,
)
from dlgbench.metrics import LARGER_IS_BETTER, SMALLER_IS_BETTER
from dlgbench.samples import Mean, Median, two_sided
from dlgbench.stats import enough, holm, known, t_interval
from dlgbench.stats import judge as judge_claims

X = value("m", "a")


def judge(claims, arms, seeds=1):
    return judge_claims(claims, arms, seeds)


def readings(values, other=None):
    arms = {"a": {s: {"m": v} for s, v in enumerate(values)}}
    if other is not None:
        arms["b"] = {s: {"m": v} for s, v in enumerate(other)}
    return arms


def one(threshold, values):
    return judge([Claim("x", X, threshold)], readings(values), max(len(values), 1))[0]


def test_t_interval_by_hand():
    # 1, 2, 3, 4, 5: mean 3, s = sqrt(2.5), s / sqrt 5 = 0.70711, t(4, .975) = 2.77645 (any table)
    half = 2.77645 * 0.70711
    assert t_interval([1, 2, 3, 4, 5], 0.95) == pytest.approx((3 - half, 3 + half), abs=1e-4)


def test_a_figures_interval_of_values_without_spread_is_a_point():
    assert t_interval([2.0, 2.0, 2.0], 0.95) == (2.0, 2.0)


@pytest.mark.parametrize("values", [[2.0] * 5, [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3]])
def test_five_seeds_that_agree_by_chance_decide_nothing(values):
    verdict = one(at_least(0.25), values)
    # all five on one side: 2 / 2^5
    assert (verdict.p, verdict.verdict, verdict.method) == (0.0625, "inconclusive", "sign test")
    too_few = "the interval is the median's, from ranks, of which 5 are too few for this level"
    assert verdict.note == f"all 5 seeds agree: {too_few}"
    assert one(at_least(0.25), [*values, values[-1]]).note.endswith("from ranks")  # 2 / 2^6 < 5 %


def test_a_metric_that_nothing_random_enters_is_exact_where_its_values_agree():
    fewer = Claim("x", difference("parameters", "a", "b"), at_least(1))
    arms = {
        arm: {s: {"parameters": number} for s in range(5)}
        for arm, number in {"a": 7.0, "b": 5.0}.items()
    }
    (verdict,) = judge([fewer], arms, 5)
    assert (verdict.method, verdict.p, verdict.verdict) == ("exact", None, "supported")
    arms["a"][3]["parameters"] = 7.5  # something random entered all the same
    assert judge([fewer], arms, 5)[0].method == Mean.method
    # beside a metric that chance enters it is no exact claim, though all seeds agree
    mixed = Claim("y", contrast("parameters", "m", "a"), at_least(1))
    agree = {"a": {s: {"parameters": 7.0, "m": 5.0} for s in range(5)}}
    assert judge([mixed], agree, 5)[0].method == Median.method


def test_ten_seeds_that_agree_decide_by_their_signs():
    verdict = one(at_most(2.5), [2.0] * 10)
    assert (verdict.p, verdict.verdict) == (2 / 2**10, "supported")
    assert verdict.interval == (2.0, 2.0)


def test_an_exact_figure_stays_decided_without_spread():
    verdict = one(exactly(2), [2.0] * 5)
    assert (verdict.p, verdict.verdict, verdict.method) == (None, "supported", "exact")


def test_pairing_is_by_seed():
    arms = {
        "a": {0: {"m": 5.0}, 1: {"m": 9.0}, 2: {"m": 1.0}},
        "b": {2: {"m": 0.0}, 1: {"m": 8.0}, 0: {"m": 4.0}, 7: {"m": 99.0}},
    }
    verdict = judge([Claim("x", difference("m", "a", "b"), at_least(0.5))], arms)[0]
    assert (verdict.values, verdict.n, verdict.verdict) == ((1.0, 1.0, 1.0), 3, "supported")


@pytest.mark.parametrize(
    ("threshold", "values", "wanted"),
    [
        (at_least(-1), [1, 2, 3, 4, 5], "supported"),  # [-0.65, 6.65]
        (at_least(2), [1, 2, 3, 4, 5], "inconclusive"),
        (at_least(7), [1, 2, 3, 4, 5], "refuted"),
        (at_most(7), [1, 2, 3, 4, 5], "supported"),
        (at_most(-1), [1, 2, 3, 4, 5], "refuted"),
        (within(1), [-0.1, 0.0, 0.1, 0.2, -0.2], "supported"),
        (within(0.1), [-0.1, 0.0, 0.1, 0.2, -0.2], "inconclusive"),
        (within(1), [4.9, 5.0, 5.1, 5.2, 4.8], "refuted"),
        (within(1), [-4.9, -5.0, -5.1, -5.2, -4.8], "refuted"),
        (within(1, around=7), [4.9, 5.0, 5.1, 5.2, 4.8], "refuted"),
        (within(1), [-5.0] * 10, "refuted"),  # by signs
        (within(0.1, around=0.8), [0.0] * 19 + [1.0], "refuted"),  # a share
        (exactly(15), [15], "supported"),
        (exactly(15), [15, 15, 14], "refuted"),
        (at_most(1e-6), [1e-9], "supported"),  # one seed: a number that is not random
        (at_least(0), [], "inconclusive"),
    ],
)
def test_verdicts(threshold, values, wanted):
    assert one(threshold, values).verdict == wanted


def test_the_effect_of_an_exact_claim_is_that_of_the_worst_seed():
    assert one(exactly(15), [15, 16, 12]).effect == 12
    assert one(exactly(15), [15, 18, 14]).effect == 18


def test_equivalence_is_two_one_sided_tests_at_5_percent():
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(0.3, 1.0, 10)
        verdict = one(within(1), values)
        p = max(Mean(values).tails(-1)[0], Mean(values).tails(1)[1])
        lower = stats.ttest_1samp(values, -1, alternative="greater").pvalue
        upper = stats.ttest_1samp(values, 1, alternative="less").pvalue
        if abs(values.mean()) < 1:
            assert verdict.p == pytest.approx(p)
            assert verdict.p >= max(lower, upper) * (1 - 1e-9)
            assert (verdict.verdict == "supported") == (p <= 0.05)


def test_holm_by_hand():
    # Holm (1979) on .01, .04, .03, .005: sorted .005 x 4, .01 x 3, .03 x 2, .04 x 1, made monotone
    adjusted, levels = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # the level stays where the first was not rejected
    assert levels == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


def told(interval, threshold):
    """What an interval says of a threshold."""
    low, high = interval
    if threshold.low <= low and high <= threshold.high:
        return "supported"
    return "refuted" if high < threshold.low or low > threshold.high else "inconclusive"


def test_interval_and_p_always_say_the_same():
    rng = np.random.default_rng(1)
    thresholds = {"a": at_least(0), "b": at_most(0), "c": within(0.8), "d": at_least(1)}
    claims = [Claim(name, value("m", name), wanted) for name, wanted in thresholds.items()]
    seen = set()
    for _ in range(100):
        samples = {name: rng.normal(rng.uniform(-2, 2), 0.6, 6) for name in thresholds}
        arms = {name: {s: {"m": v} for s, v in enumerate(x)} for name, x in samples.items()}
        for claim, verdict in zip(claims, judge(claims, arms, 6), strict=True):
            assert (verdict.verdict != "inconclusive") == (verdict.p <= 0.05)
            assert verdict.verdict == told(verdict.interval, claim.threshold)
            seen.add((claim.id, verdict.verdict))
    assert len(seen) == 3 * len(claims)


def test_an_interval_is_at_the_level_that_holm_leaves_its_claim():
    ones, half = [1.0] * 20, [0.0, 1.0] * 10
    arms = {name: {s: {"m": v} for s, v in enumerate(half)} for name in "xy"}
    arms |= {name: {s: {"m": v} for s, v in enumerate(ones)} for name in "ab"}
    wanted = {"x": at_least(0.5), "a": at_least(0.5), "y": at_most(0.5), "b": within(0.2, 0.9)}
    claims = [Claim(name, value("m", name), threshold) for name, threshold in wanted.items()]
    x, a, y, b = judge(claims, arms, 20)
    # the p values: 1, 2 / 2^20, 1, .7^20; so the levels: .05 / 2, .05 / 4, .05 / 2, .05 / 3
    assert [v.p for v in (x, a, y, b)] == pytest.approx([1.0, 4 * 2 / 2**20, 1.0, 3 * 0.7**20])
    assert [1 - v.level for v in (x, a, y, b)] == pytest.approx(
        [0.025, 0.0125, 0.025, 2 * 0.05 / 3]
    )
    # of 20 in 20 the lower limit is the 20th root of the tail
    assert a.interval == pytest.approx(((0.0125 / 2) ** (1 / 20), 1.0))
    assert b.interval == pytest.approx(((0.05 / 3) ** (1 / 20), 1.0))
    # of 10 in 20 Clopper and Pearson's at 97.5 %
    limits = stats.binomtest(10, 20).proportion_ci(0.975, "exact")
    assert x.interval == y.interval == pytest.approx((limits.low, limits.high))


SWAPPED = [(at_least(1), at_most(-1)), (at_most(0.2), at_least(-0.2)), (within(0.5), within(0.5))]
SWAPPED += [(within(0.5, around=1), within(0.5, around=-1)), (exactly(1), exactly(-1))]


@pytest.mark.parametrize(("threshold", "mirrored"), SWAPPED)
def test_with_the_arms_swapped_all_is_mirrored(threshold, mirrored):
    rng = np.random.default_rng(2)
    there = Claim("x", difference("m", "a", "b"), threshold)
    back = Claim("x", difference("m", "b", "a"), mirrored)
    for shift in np.linspace(-3, 3, 13):
        measured = rng.normal(shift, 0.3, 8), rng.normal(0, 0.3, 8)
        agree = [shift] * 8, [0.0] * 8
        ones = rng.random(20) < 0.5 + shift / 6, rng.random(20) < 0.5
        for a, b in (measured, agree, ones):
            arms = readings(map(float, a), map(float, b))
            (one_way,) = judge([there], arms, len(a))
            (other_way,) = judge([back], arms, len(a))
            assert one_way.verdict == other_way.verdict
            assert other_way.p == (None if one_way.p is None else pytest.approx(one_way.p))
            low, high = other_way.interval
            assert one_way.interval == pytest.approx((-high, -low), abs=1e-9)


def test_exact_claims_spend_no_error_rate():
    arms = readings([1.0, 2, 3, 4, 5])
    claim = Claim("x", X, at_least(0))
    alone, beside = judge([claim], arms, 5), judge([claim, Claim("y", X, exactly(1))], arms, 5)
    assert alone[0] == beside[0]


def test_while_seeds_are_missing_nothing_is_decided():
    claims = [Claim("x", X, at_least(0)), Claim("y", X, at_most(1e-6))]
    for verdict in judge(claims, readings([1.0]), 5) + judge(claims, readings([1.0, 1.0, 1.0]), 5):
        assert verdict.verdict == "inconclusive"
        assert "of 5 seeds have run" in verdict.note


@pytest.mark.parametrize(
    ("threshold", "values"),
    [(at_least(0), [0.0] * 10), (at_least(0.1), [0.1] * 3), (at_most(2), [2, 2, 2, 2, 2])],
)
def test_an_end_on_the_threshold_decides_nothing(threshold, values):
    verdict = one(threshold, values)
    assert (verdict.verdict, verdict.p) == ("inconclusive", 1.0)


def test_ties_at_the_threshold_decide_nothing_by_ranks_either():
    arms = {"a": {s: {"steps_to_target/censored_at": 100.0} for s in range(10)}}
    verdict = judge([Claim("x", value("steps_to_target", "a"), at_least(100))], arms, 10)[0]
    assert (verdict.verdict, verdict.p) == ("inconclusive", 1.0)


def test_what_is_not_known_has_no_number():
    arms = {arm: {s: {"diverged": 1.0} for s in range(10)} for arm in "ab"}
    verdict = judge([Claim("x", difference("test/error", "a", "b"), at_least(0))], arms, 10)[0]
    assert math.isnan(verdict.effect)
    assert verdict.verdict == "inconclusive"
    nothing = known({"gradient/log10_ratio": math.nan}, "gradient/log10_ratio")
    assert nothing == (-math.inf, math.inf)


def test_a_log_ratio_of_nothing_spoils_no_other_claim():
    arms = readings([0.0] * 6, [1.0] * 6)
    ratio, other = log_ratio("m", "a", "b"), value("m", "b")
    verdicts = judge([Claim("x", ratio, at_least(0)), Claim("y", other, at_least(0))], arms, 6)
    # ln 0 lies below everything
    assert [verdict.verdict for verdict in verdicts] == ["refuted", "supported"]


def test_median_interval_is_the_sign_tests():
    # n = 10 at 95 %: the 2nd and the 9th of ten, P(Bin(10, 1/2) <= 1) = .0107
    assert Median([(x, x) for x in range(1, 11)]).interval(0.95) == (2, 9)
    few = Median([(x, x) for x in range(1, 6)]).interval(0.95)
    assert few == (-math.inf, math.inf)  # five can't do it
    # bounds move the ends as far as they leave open
    assert Median([(x, math.inf) for x in range(1, 11)]).interval(0.95) == (2, math.inf)


def test_a_diverged_run_has_the_worst_rank_and_no_number():
    assert known({"diverged": 1.0}, "test/error") == (math.inf, math.inf)
    assert known({"diverged": 1.0}, "gradient/first") == (-math.inf, math.inf)
    claim = Claim("x", difference("test/error", "a", "b"), at_least(1))
    errors = {"a": 5.0, "b": 1.0}
    arms = {arm: {s: {"test/error": error} for s in range(10)} for arm, error in errors.items()}
    arms["a"][3] = {"diverged": 1.0}
    verdict = judge([claim], arms)[0]
    assert verdict.verdict == "supported"  # b is better in nine, and in the tenth a diverged
    assert (verdict.method, verdict.interval) == ("sign test", (4.0, 4.0))
    assert "1 of 10 seeds" in verdict.note
    arms["b"][4] = {"diverged": 1.0}
    arms["b"][5] = {"diverged": 1.0}
    assert judge([claim], arms)[0].verdict == "inconclusive"


def test_a_diverged_run_leaves_an_outcome_an_outcome():
    """A median of outcomes would be 0, and refute nothing: 4 of 19 are 1."""
    outcomes = {s: {"perfect": float(s < 4)} for s in range(19)} | {19: {"diverged": 1.0}}
    (verdict,) = judge([Claim("x", value("perfect", "a"), at_most(0.1))], {"a": outcomes}, 20)
    assert (verdict.verdict, verdict.method) == ("inconclusive", "exact binomial")
    assert verdict.effect == 4 / 19
    assert verdict.note.startswith("1 of 20 seeds with a diverged or censored run: each end")


def test_a_diverged_run_of_a_directed_metric_is_a_rank_and_no_outcome():
    """Six that diverged are no six errors of 1: by ranks 14 ties decide nothing."""
    arms = {arm: {s: {"test/error": 0.0} for s in range(20)} for arm in "ab"}
    arms["a"] |= {s: {"diverged": 1.0} for s in range(6)}
    (verdict,) = judge([Claim("x", difference("test/error", "a", "b"), at_least(0))], arms, 20)
    assert (verdict.verdict, verdict.method) == ("inconclusive", "sign test")


def test_a_diverged_run_is_the_worst_by_every_metric_that_has_a_worse_end():
    for metric in SMALLER_IS_BETTER:
        assert known({"diverged": 1.0}, f"test/{metric}") == (math.inf, math.inf)
    for metric in LARGER_IS_BETTER:
        assert known({"diverged": 1.0}, f"test/{metric}") == (-math.inf, -math.inf)
    claim = Claim("x", difference("test/accuracy", "a", "b"), at_least(0.1))
    arms = {arm: {s: {"test/accuracy": 0.9} for s in range(10)} for arm in "ab"}
    arms["b"] = {s: {"diverged": 1.0} for s in range(10)}
    (won,) = judge([claim], arms, 10)  # a is better than what diverged, by ever so much
    assert (won.verdict, won.interval) == ("supported", (math.inf, math.inf))
    (lost,) = judge([claim], {"a": arms["b"], "b": arms["a"]}, 10)
    assert (lost.verdict, lost.interval) == ("refuted", (-math.inf, -math.inf))


def test_censored_steps_are_a_bound():
    arms = {
        "slow": {s: {"steps_to_target/censored_at": 1000.0} for s in range(10)},
        "fast": {s: {"steps_to_target": 100.0 + s} for s in range(10)},
    }
    faster = difference("steps_to_target", "slow", "fast")
    by_800, by_5000 = (judge([Claim("x", faster, at_least(n))], arms)[0] for n in (800, 5000))
    assert (by_800.verdict, by_800.interval[1]) == ("supported", math.inf)
    assert by_5000.verdict == "inconclusive"  # it may be 5,000: nobody waited


def test_false_positives_are_held_for_the_whole_ablation():
    rng = np.random.default_rng(5)
    claims = [Claim(name, value("m", name), at_least(0)) for name in "abcd"]
    wrong, families = 0, 150
    # the truth lies on the threshold: any support, and any refutation, is false
    for _ in range(families):
        drawn = {name: rng.exponential(1, 8) - 1 for name in "abcd"}
        arms = {name: {s: {"m": v} for s, v in enumerate(x)} for name, x in drawn.items()}
        wrong += any(verdict.verdict != "inconclusive" for verdict in judge(claims, arms, 8))
    # Student's t errs in 20 % of them
    assert wrong / families <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / families)


def test_only_a_mean_that_is_left_open_says_how_many_seeds_it_takes():
    rng = np.random.default_rng(3)
    for threshold in (at_least(0.5), within(0.5)):
        for _ in range(30):
            verdict = one(threshold, list(rng.normal(rng.uniform(0, 2), 1, 6)))
            seeds = enough(verdict, threshold)
            assert (seeds is None) == (verdict.verdict != "inconclusive")
            assert seeds is None or seeds > 6
            if seeds and math.isfinite(seeds):  # as many seeds like these, and no fewer, decide
                times = int(seeds) // 6
                decided = [
                    one(threshold, list(verdict.values) * k).verdict != "inconclusive"
                    for k in (times - 1, times)
                ]
                assert decided == [False, True]
    # a claim among others has Holm's level: the interval of that level must leave the threshold
    verdict = one(at_least(0.5), [0.2, 0.9, 1.4, 0.6, 1.1, 0.7])
    assert enough(verdict, at_least(0.5)) == 12
    stricter = dataclasses.replace(verdict, level=0.9999)
    seeds = int(enough(stricter, at_least(0.5)))
    ends = [Mean(list(verdict.values) * k).interval(0.9999) for k in (seeds // 6 - 1, seeds // 6)]
    assert [low > 0.5 for low, _ in ends] == [False, True]
    many = one(at_least(0), [1.26, -0.74] * 50)
    assert enough(many, at_least(0)) == 200  # the most that anyone would train
    assert enough(one(at_least(0), [1.22, -0.78] * 50), at_least(0)) == math.inf
    censored = {s: {"m/censored_at": 1.0} for s in range(6)}
    claim = Claim("x", X, at_least(2))
    (verdict,) = judge([claim], {"a": censored}, 6)
    assert (verdict.verdict, verdict.method) == ("inconclusive", "sign test")
    assert enough(verdict, claim.threshold) is None
    assert enough(one(exactly(15), [15]), exactly(15)) is None
    (unfinished,) = judge([claim], readings([1.0, 2.0]), 6)
    assert enough(unfinished, claim.threshold) is None


def outcomes(n, first, second=()):
    """Arms with the outcomes 0 or 1 of n seeds; `first` and `second` tell which are 1."""
    arms = {"a": {s: {"m": float(s in first)} for s in range(n)}}
    if second:
        arms["b"] = {s: {"m": float(s in second)} for s in range(n)}
    return arms


def test_a_share_is_judged_by_clopper_and_pearson():
    claim = Claim("x", X, at_least(0.5))
    (verdict,) = judge([claim], outcomes(20, range(19)), 20)
    # 19 of 20: P(Bin(20, 1/2) >= 19) = 21 / 2^20; Clopper and Pearson's table: [.751, .999]
    assert verdict.p == pytest.approx(2 * 21 / 2**20)
    assert verdict.interval == pytest.approx((0.7513, 0.9987), abs=1e-4)
    assert (verdict.method, verdict.effect) == ("exact binomial", 0.95)
    assert verdict.verdict == "supported"
    # all 20: (alpha / 2)^(1 / 20); a share of .9 or more does not follow from it
    (all_of_them,) = judge([Claim("x", X, at_least(0.9))], outcomes(20, range(20)), 20)
    assert all_of_them.interval == pytest.approx((0.025 ** (1 / 20), 1.0))
    assert (all_of_them.verdict, all_of_them.p) == ("inconclusive", pytest.approx(2 * 0.9**20))


def test_a_difference_of_outcomes_is_judged_by_mcnemar():
    claim = Claim("x", difference("m", "a", "b"), at_least(0))
    # 9 pairs have a 1 in a alone, 1 in b alone, 10 are equal: P(Bin(10, 1/2) >= 9) = 11 / 2^10
    arms = outcomes(20, range(12), {9, 10, 11, 12})
    (verdict,) = judge([claim], arms, 20)
    assert verdict.values.count(1.0) == 9
    assert verdict.values.count(-1.0) == 1
    assert (verdict.method, verdict.effect) == ("exact McNemar", pytest.approx(0.4))
    assert verdict.p == pytest.approx(2 * 11 / 2**10)
    assert verdict.verdict == "supported"
    assert 0 <= verdict.interval[0] < 0.4 < verdict.interval[1] <= 1
    # the limits are of 9 in 20 and of 1 in 20, each at 97.5 % for both together at 95 %
    first, second = (stats.binomtest(k, 20).proportion_ci(0.975, "exact") for k in (9, 1))
    tails = stats.binom.sf(8, 20, first.low), stats.binom.cdf(1, 20, second.high)
    assert tails == pytest.approx((0.0125, 0.0125))
    assert first.low - second.high < 0  # but McNemar excludes what is below 0
    assert verdict.interval == pytest.approx((0.0, first.high - second.low))
    # 17 in a alone, 1 in b alone
    (far,) = judge([claim], outcomes(20, range(17), {17}), 20)
    first = stats.binomtest(17, 20).proportion_ci(0.975, "exact")
    wanted = first.low - second.high, first.high - second.low
    assert far.interval == pytest.approx(wanted)
    assert far.interval[0] > 0.2


def test_what_is_no_outcome_in_some_arm_is_none_in_any():
    arms = {"a": {s: {"m": 0.0} for s in range(10)}, "b": {s: {"m": 0.3 + s} for s in range(10)}}
    (verdict,) = judge([Claim("x", X, at_most(0.2))], arms, 10)
    assert (verdict.method, verdict.verdict) == ("sign test", "supported")


def test_a_verdict_that_rests_on_one_seed_is_fragile():
    # 4 of 5 agree closely; without the fifth they are decided the other way round
    steady = one(at_least(0), [4.0, 5, 6, 5, 4.5, 5.5])
    assert (steady.verdict, steady.fragile) == ("supported", False)
    assert "fragile" not in steady.line(Claim("x", X, at_least(0)))
    # six that agree, by signs alone: 2 / 2^6, and without one 2 / 2^5 is below .2 still
    by_signs = one(at_least(0), [1.0] * 6)
    assert (by_signs.p, by_signs.fragile) == (2 / 2**6, False)


@pytest.mark.parametrize(("others", "fragile"), [(3, True), (0, False)])
def test_fragile_is_judged_beside_the_other_claims(others, fragile):
    values = [0.9, 2.8, 2.6, 2.5, 2.8]
    p, without = (
        two_sided(Mean(values), 0),
        max(two_sided(Mean(values[:i] + values[i + 1 :]), 0) for i in range(5)),
    )
    assert (4 * p < 0.05, without < 0.2, 4 * without > 0.2) == (True, True, True)
    arms = {name: {s: {"m": (-1.0) ** s + 0.1} for s in range(5)} for name in "bcd"[:others]}
    arms["a"] = {s: {"m": v} for s, v in enumerate(values)}
    claims = [Claim(name, value("m", name), at_least(0)) for name in arms]
    *open_, verdict = judge(claims, arms, 5)
    assert {other.verdict for other in open_} <= {"inconclusive"}
    assert (verdict.verdict, verdict.fragile) == ("supported", fragile)
    assert not any(other.fragile for other in open_)


@pytest.mark.parametrize(
    ("values", "verdict", "fragile"),
    [
        ([15.0, 15.0, 14.0], "refuted", True),  # without the last it is supported
        ([15.0, 14.0], "refuted", True),
        ([15.0, 14.0, 14.0], "refuted", False),
        ([14.0, 14.0, 14.0], "refuted", False),
        ([15.0, 15.0, 15.0], "supported", False),
        ([15.0, 15.0], "supported", False),
        ([15.0], "supported", False),  # of one seed there is no other
        ([14.0], "refuted", False),
    ],
)
def test_an_exact_verdict_that_rests_on_one_seed_is_fragile(values, verdict, fragile):
    found = one(exactly(15), values)
    assert (found.method, found.verdict, found.fragile) == ("exact", verdict, fragile)


def test_two_seeds_that_decide_are_fragile():
    verdict = one(at_least(0), [1.0, 1.0 + 1e-6])
    assert (verdict.verdict, verdict.fragile) == ("supported", True)  # one seed says nothing
    line = verdict.line(Claim("x", X, at_least(0)))
    assert line.endswith("; fragile: the verdict rests on one seed")
