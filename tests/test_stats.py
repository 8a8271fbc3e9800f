import math

import numpy as np
import pytest
from scipy import stats

from dlgbench import Claim, at_least, at_most, difference, exactly, log_ratio, value, within
from dlgbench.stats import enough, holm, known, median_interval, seeds_to_decide, t_interval, t_p
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
    # t = 3 / 0.70711 = 4.24264; two-sided p with 4 degrees of freedom = 0.01324
    assert t_p([1, 2, 3, 4, 5], 0) == pytest.approx(0.01324, abs=1e-5)


def test_values_without_spread_are_a_point():
    assert t_interval([2.0, 2.0, 2.0], 0.95) == (2.0, 2.0)
    assert (t_p([2.0] * 3, 2.0), t_p([2.0] * 3, 1.0)) == (1.0, 0.0)


def test_values_that_differ_in_their_last_bits_alone_warn_of_nothing():
    values = [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3]
    assert t_p(values, 0.0) == pytest.approx(0.0, abs=1e-12)


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
        (at_least(0), [1, 2, 3, 4, 5], "supported"),  # [1.04, 4.96]
        (at_least(2), [1, 2, 3, 4, 5], "inconclusive"),
        (at_least(5), [1, 2, 3, 4, 5], "refuted"),
        (at_most(5), [1, 2, 3, 4, 5], "supported"),
        (at_most(1), [1, 2, 3, 4, 5], "refuted"),
        (within(1), [-0.1, 0.0, 0.1, 0.2, -0.2], "supported"),
        (within(0.1), [-0.1, 0.0, 0.1, 0.2, -0.2], "inconclusive"),
        (within(1), [4.9, 5.0, 5.1, 5.2, 4.8], "refuted"),
        (exactly(15), [15], "supported"),
        (exactly(15), [15, 15, 14], "refuted"),
        (at_most(1e-6), [1e-9], "supported"),  # one seed: a number that is not random
        (at_least(0), [], "inconclusive"),
    ],
)
def test_verdicts(threshold, values, wanted):
    assert one(threshold, values).verdict == wanted


def test_equivalence_is_two_one_sided_tests_at_5_percent():
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(0.3, 1.0, 10)
        lower = stats.ttest_1samp(values, -1, alternative="greater").pvalue
        upper = stats.ttest_1samp(values, 1, alternative="less").pvalue
        verdict = one(within(1), values)
        if abs(values.mean()) < 1:
            assert verdict.p == pytest.approx(max(lower, upper))
            assert (verdict.verdict == "supported") == (max(lower, upper) <= 0.05)


def test_holm_by_hand():
    # Holm (1979) on .01, .04, .03, .005: sorted .005 x 4, .01 x 3, .03 x 2, .04 x 1, made monotone
    adjusted, levels = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # the level stays where the first was not rejected
    assert levels == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


def test_interval_and_p_always_say_the_same():
    rng = np.random.default_rng(1)
    thresholds = {"a": at_least(0), "b": at_most(0), "c": within(0.5), "d": at_least(1)}
    claims = [Claim(name, value("m", name), wanted) for name, wanted in thresholds.items()]
    for _ in range(100):
        samples = {name: rng.normal(rng.uniform(0, 2), 1, 6) for name in thresholds}
        arms = {name: {s: {"m": v} for s, v in enumerate(x)} for name, x in samples.items()}
        for verdict in judge(claims, arms, 6):
            assert (verdict.verdict != "inconclusive") == (verdict.p <= 0.05)


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
    assert median_interval([(x, x) for x in range(1, 11)], 0.95) == (2, 9)
    few = median_interval([(x, x) for x in range(1, 6)], 0.95)
    assert few == (-math.inf, math.inf)  # five can't do it
    # bounds move the ends as far as they leave open
    assert median_interval([(x, math.inf) for x in range(1, 11)], 0.95) == (2, math.inf)


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


def test_censored_steps_are_a_bound():
    arms = {
        "slow": {s: {"steps_to_target/censored_at": 1000.0} for s in range(10)},
        "fast": {s: {"steps_to_target": 100.0 + s} for s in range(10)},
    }
    faster = difference("steps_to_target", "slow", "fast")
    by_800, by_5000 = (judge([Claim("x", faster, at_least(n))], arms)[0] for n in (800, 5000))
    assert (by_800.verdict, by_800.interval[1]) == ("supported", math.inf)
    assert by_5000.verdict == "inconclusive"  # it may be 5,000: nobody waited


@pytest.mark.parametrize("n", [5, 10])
def test_coverage_is_95_percent(n):
    rng = np.random.default_rng(n)
    ends = np.array([t_interval(values, 0.95) for values in rng.normal(1.0, 2.0, (4000, n))])
    covered = (ends[:, 0] <= 1.0) & (ends[:, 1] >= 1.0)
    assert covered.mean() == pytest.approx(0.95, abs=0.011)  # 3 binomial SD at 4,000


def test_false_positives_are_held_for_the_whole_ablation():
    rng = np.random.default_rng(5)
    claims = [Claim(name, value("m", name), at_least(0)) for name in "abcd"]
    wrong = 0
    # the truth lies on the threshold: any support, and any refutation, is false
    for _ in range(1000):
        arms = {name: {s: {"m": v} for s, v in enumerate(rng.normal(0, 1, 8))} for name in "abcd"}
        wrong += any(verdict.verdict != "inconclusive" for verdict in judge(claims, arms))
    assert wrong / 1000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize(
    ("mean", "sd", "threshold", "seeds"),
    [  # half the interval is t sd / sqrt n; t(.975) from any table
        (0.0, 1.0, at_most(2.4843), 3),  # n = 3: 4.30265 / sqrt 3 = 2.48414
        (0.0, 1.0, at_most(2.4841), 4),
        (3.0, 1.0, at_least(1.75), 5),  # n = 5: 2.77645 / sqrt 5 = 1.24167; n = 4: 1.59122
        (1.0, 1.0, at_least(2.25), 5),  # refuted
        (1.0, 2.0, within(2.25), 13),  # n = 13: 2 x 2.17881 / sqrt 13 = 1.20859; n = 12: 1.27074
        (3.5, 2.0, within(2.25), 13),  # outside
        (0.0, 1.0, at_most(0.01), math.inf),
        (1.0, 1.0, at_most(1.0), math.inf),  # on the threshold
        (1.0, 0.0, at_most(1.0), math.inf),
    ],
)
def test_how_many_seeds_decide_by_hand(mean, sd, threshold, seeds):
    assert seeds_to_decide(mean, sd, 0.95, threshold) == seeds


def test_how_many_seeds_decide_is_where_scipys_interval_decides_first():
    rng = np.random.default_rng(2)
    thresholds = at_least(0.3), at_most(0.1), within(0.4), within(0.2, around=0.5)
    for _ in range(100):
        mean, sd, level = rng.normal(), rng.uniform(0.1, 1), rng.uniform(0.8, 0.999)
        threshold = thresholds[rng.integers(len(thresholds))]
        first = math.inf
        for n in range(200, 1, -1):  # the largest first
            low, high = stats.t.interval(level, n - 1, mean, sd / math.sqrt(n))
            ends = [end for end in (threshold.low, threshold.high) if math.isfinite(end)]
            if any(low <= end <= high for end in ends):
                break
            first = n
        assert seeds_to_decide(mean, sd, level, threshold) == first


def test_only_a_claim_that_students_interval_leaves_open_says_how_many_seeds_it_takes():
    rng = np.random.default_rng(3)
    for threshold in (at_least(0.5), within(0.5)):
        for _ in range(30):
            verdict = one(threshold, list(rng.normal(rng.uniform(0, 2), 1, 6)))
            seeds = enough(verdict, threshold)
            assert (seeds is None) == (verdict.verdict != "inconclusive")
            assert seeds is None or seeds > 6
    censored = {s: {"m/censored_at": 1.0} for s in range(6)}
    claim = Claim("x", X, at_least(2))
    (verdict,) = judge([claim], {"a": censored}, 6)
    assert (verdict.verdict, verdict.method) == ("inconclusive", "sign test")
    assert enough(verdict, claim.threshold) is None
    assert enough(one(exactly(15), [15]), exactly(15)) is None
    (unfinished,) = judge([claim], readings([1.0, 2.0]), 6)
    assert enough(unfinished, claim.threshold) is None
