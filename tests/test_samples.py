import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dlgbench.samples import SKEWED, Mean, Share, SharesDiffer, two_sided

SKEWED_VALUES = [0.1, 0.12, 0.15, 0.2, 0.9]
VALUES = [SKEWED_VALUES, [-x for x in SKEWED_VALUES], [1, 2, 3, 4, 5], [0.0, 0, 0, 1, 1, 2, 7]]


def measured(values):
    """The bounds of values that were measured."""
    return [(value, value) for value in values]


UNKNOWN = (-math.inf, math.inf)


def pairs(b, c, n):
    """Differences of n pairs of outcomes: 1 in b of them, -1 in c."""
    return measured([1.0] * b + [-1.0] * c + [0.0] * (n - b - c))


def by_hand(values, bound, prior):
    """Weights of the shapes and both tails, from the densities on a grid of shift and scale.

    No transformation, no closed form: the sum of prior x likelihood over a fine grid.
    """
    x = np.array(values, dtype=float)
    spread = x.std(ddof=1)
    log_scale = np.linspace(-7, 4, 700) + math.log(spread)
    gap = np.linspace(-11, 6, 700) + math.log(spread)
    evidence, below = [], []
    scale = np.exp(log_scale)[:, None]
    for law in ("normal", "right", "left"):
        y = -x if law == "left" else x
        if law == "normal":
            shift = x.mean() + np.linspace(-40, 40, 4001)[None, :] * spread
            cell = (shift[0, 1] - shift[0, 0]) * (log_scale[1] - log_scale[0])
            mean, logpdf = shift + 0 * scale, stats.norm.logpdf
        else:
            shift = y.min() - np.exp(gap)[None, :]
            cell = np.exp(gap)[None, :] * (gap[1] - gap[0]) * (log_scale[1] - log_scale[0])
            mean = shift + scale * math.exp(0.5)
            mean = -mean if law == "left" else mean

            def logpdf(z):
                return stats.lognorm.logpdf(z, s=1)

        density = sum(logpdf((v - shift) / scale) for v in y) - len(x) * log_scale[:, None]
        mass = np.exp(density) * cell
        evidence.append(mass.sum())
        below.append(mass[mean <= bound].sum() / mass.sum())
    weights = np.array(evidence) * prior
    weights /= weights.sum()
    at_most = float(weights @ np.array(below))
    return weights, (at_most, 1 - at_most)


@pytest.mark.parametrize("values", VALUES)
def test_the_mean_against_a_sum_over_a_grid(values):
    n, bound = len(values), 0.5 * float(np.mean(values))
    weights, averaged = by_hand(values, bound, [n, SKEWED / 2, SKEWED / 2])
    sample = Mean(values)
    assert sample._weights == pytest.approx(weights, abs=2e-3)
    t = (bound - np.mean(values)) / (np.std(values, ddof=1) / math.sqrt(n))
    student = stats.t.cdf(t, n - 1), stats.t.sf(t, n - 1)
    wanted = [max(pair) for pair in zip(averaged, student, strict=True)]
    assert sample.tails(bound) == pytest.approx(wanted, abs=2e-3)


def test_under_its_own_shape_a_tail_is_an_exact_p_value():
    drawn = np.random.default_rng(0).lognormal(size=(4000, 6))
    sample = Mean(drawn)
    z = (math.exp(0.5) - sample.center) / sample.spread  # the true mean
    below, above = sample._right.tails(z)
    assert below + above == pytest.approx(1)
    assert stats.kstest(below, "uniform").pvalue > 0.01
    assert (above < 0.0025).mean() == pytest.approx(0.0025, abs=3 * math.sqrt(0.0025 / 4000))


@pytest.mark.parametrize("values", VALUES)
def test_the_mean_does_not_depend_on_sign_and_unit(values):
    x = np.array(values, dtype=float)
    low, high = Mean(x).interval(0.98)
    assert Mean(-x).interval(0.98) == pytest.approx((-high, -low))
    assert Mean(1e-9 * x + 7e-9).interval(0.98) == pytest.approx(
        (1e-9 * low + 7e-9, 1e-9 * high + 7e-9)
    )
    assert Mean(-x).tails(-1.0) == pytest.approx(Mean(x).tails(1.0)[::-1])


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99, 0.9995])
@pytest.mark.parametrize("values", VALUES)
def test_the_ends_of_the_interval_are_where_the_tails_are(values, level):
    sample, tail = Mean(values), (1 - level) / 2
    low, high = sample.interval(level)
    assert (sample.tails(low)[0], sample.tails(high)[1]) == pytest.approx((tail, tail))
    n, error = len(values), stats.sem(values)
    student = stats.t.interval(level, n - 1, np.mean(values), error)
    slack = 1e-9 * (student[1] - student[0])
    assert low <= student[0] + slack
    assert high >= student[1] - slack


def test_the_interval_is_longer_on_the_side_of_the_long_tail():
    mean = float(np.mean(SKEWED_VALUES))
    low, high = Mean(SKEWED_VALUES).interval(0.99)
    assert high - mean > 1.25 * (mean - low)


def test_many_values_of_a_normal_shape_are_students():
    values = stats.norm.ppf((np.arange(100) + 0.5) / 100)
    student = stats.t.interval(0.95, 99, values.mean(), stats.sem(values))
    assert Mean(values).interval(0.95) == pytest.approx(student, rel=1e-6)


def test_samples_in_one_array_are_judged_as_each_alone():
    drawn = np.random.default_rng(1).exponential(size=(3, 5))
    together = np.transpose(Mean(drawn).tails(0.4))
    assert together == pytest.approx(np.array([Mean(values).tails(0.4) for values in drawn]))


# outcomes -----------------------------------------------------------------------------------------


def at_least(k, n, p):
    """P(Bin(n, p) >= k), term by term."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


@pytest.mark.parametrize("bound", [0.0, 0.2, 0.5, 1.0])
def test_a_shares_tails_are_sums_of_the_binomial(bound):
    share = Share(measured([1.0] * 4 + [0.0] * 3))
    above = at_least(4, 7, bound)
    below = at_least(3, 7, 1 - bound)
    assert share.tails(bound) == pytest.approx((above, below))


def test_a_share_lies_between_0_and_1_for_certain():
    assert Share(measured([1.0, 0.0])).tails(-0.1) == (0.0, 1.0)
    assert Share(measured([1.0, 0.0])).tails(1.1) == (1.0, 0.0)
    assert SharesDiffer(measured([1.0, 0.0])).tails(-1.1) == (0.0, 1.0)
    assert SharesDiffer(measured([1.0, 0.0])).tails(1.1) == (1.0, 0.0)


def test_a_share_takes_what_is_not_known_for_what_makes_a_tail_larger():
    share = Share([*measured([1.0] * 4 + [0.0] * 3), UNKNOWN])
    assert share.tails(0.3) == pytest.approx((at_least(4, 8, 0.3), at_least(3, 8, 0.7)))
    low, high = share.interval(0.9)
    assert at_least(4, 8, low) == pytest.approx(0.05)
    assert at_least(3, 8, 1 - high) == pytest.approx(0.05)
    assert share.effect == 4 / 7


def test_a_difference_of_shares_does_so_too():
    unlike = SharesDiffer([*pairs(5, 1, 9), UNKNOWN])
    least, most = SharesDiffer(pairs(5, 2, 10)), SharesDiffer(pairs(6, 1, 10))
    for bound in (-0.3, 0.0, 0.3):
        assert unlike.tails(bound) == (least.tails(bound)[0], most.tails(bound)[1])
    assert unlike.interval(0.9) == (least.interval(0.9)[0], most.interval(0.9)[1])
    assert unlike.effect == 4 / 9


@pytest.mark.parametrize(("b", "c", "n"), [(9, 1, 20), (5, 0, 5), (2, 3, 5), (0, 0, 6)])
def test_mcnemar_is_the_binomial_of_the_pairs_that_differ(b, c, n):
    sample = SharesDiffer(pairs(b, c, n))
    p = min(1.0, 2 * at_least(max(b, c), b + c, 0.5))
    assert two_sided(sample, 0.0) == pytest.approx(p)


PAIRS = [(b, c) for b in range(9) for c in range(9 - b)]  # all outcomes of 8 pairs


@pytest.mark.parametrize("tail", [0.025, 0.0025])
def test_the_interval_of_a_difference_of_shares_covers_whatever_the_shares(tail):
    n, limits = 8, {}
    for b, c in PAIRS:
        sample = SharesDiffer(pairs(b, c, n))
        limits[b, c] = sample.interval(1 - 2 * tail)
    for p, q in itertools.product(np.linspace(0, 1, 21), repeat=2):
        if p + q > 1:
            continue
        wrong = [0.0, 0.0]
        for (b, c), (low, high) in limits.items():
            ways = math.comb(n, b) * math.comb(n - b, c)
            chance = ways * p**b * q**c * max(0.0, 1 - p - q) ** (n - b - c)
            wrong[0] += chance * (low > p - q + 1e-12)
            wrong[1] += chance * (high < p - q - 1e-12)
        assert max(wrong) <= tail + 1e-12


@pytest.mark.parametrize(("b", "c"), [(8, 0), (6, 0), (5, 1), (0, 0), (3, 4)])
def test_a_difference_of_shares_has_p_values_that_agree_with_its_interval(b, c):
    sample = SharesDiffer(pairs(b, c, 8))
    low, high = sample.interval(0.95)
    bounds = np.linspace(-1, 1, 41)
    p = np.array([sample.tails(bound) for bound in bounds])
    assert (np.diff(p[:, 0]) >= -1e-9).all()  # the farther below, the smaller
    assert (np.diff(p[:, 1]) <= 1e-9).all()
    for bound, (at_most, at_least_) in zip(bounds, p, strict=True):
        if min(abs(bound - low), abs(bound - high)) > 1e-6:
            assert (low <= bound <= high) == (min(at_most, at_least_) > 0.025)
