import math

import numpy as np
import pytest
from scipy import stats

from dlgbench import Claim, at_least, levels, value
from dlgbench.samples import Mean
from dlgbench.stats import judge

MOST = dict.fromkeys(levels.LAWS, 6.0) | {"lognormal": 10.0, "-lognormal": 10.0}


@pytest.fixture(scope="module")
def result():
    return levels.simulate(4000)


def percent(result, method, n, law):
    (row,) = (
        row
        for row in result["rows"]
        if (row["method"], row["seeds"], row["law"]) == (method, n, law)
    )
    return row["percent"]


@pytest.mark.slow
@pytest.mark.parametrize("n", levels.SEEDS)
@pytest.mark.parametrize("law", levels.LAWS)
def test_wrong_verdicts_stay_below_the_promised_share(result, law, n):
    for family, found in percent(result, Mean.method, n, law).items():
        share = (1 - (1 - MOST[law] / 100) ** (1 / int(family))) * 100  # of a single claim
        error = int(family) * math.sqrt(share * (100 - share) / 4000)
        assert found <= MOST[law] + 2.5 * error


@pytest.mark.slow
def test_students_t_fails_what_the_method_holds(result):
    assert percent(result, "Student's t", 5, "exponential")["10"] > 20
    assert percent(result, "Student's t", 10, "-lognormal")["10"] > 40


@pytest.mark.slow
def test_the_methods_keep_power_at_many_seeds(result):
    assert percent(result, Mean.method, 20, "normal + 1 SD")["1"] > 95
    assert percent(result, Mean.method, 10, "normal + 1.5 SD")["1"] > 85


def test_a_family_is_wrong_where_judge_decides_any_of_its_claims():
    rng, families, n = np.random.default_rng(2), 40, 10
    claims = [Claim(name, value("m", name), at_least(0)) for name in "abc"]
    effects = rng.exponential(size=(families, 3, n)) - 1.8  # some are decided
    decided = 0
    for family in effects:
        arms = {
            name: {s: {"m": v} for s, v in enumerate(x)}
            for name, x in zip("abc", family, strict=True)
        }
        verdicts = {verdict.verdict for verdict in judge(claims, arms, n)}
        decided += verdicts != {"inconclusive"}
    p = levels.averaged(effects.reshape(-1, n)).reshape(families, 3)
    assert 0 < decided < families
    assert decided == (p.min(1) <= 0.05 / 3).sum()


def test_wrong_by_hand():
    p = np.array([0.001, 0.02, 0.3, 0.4])
    assert levels.wrong(p, 1) == pytest.approx(50)
    assert levels.wrong(p, 5) == pytest.approx(100 * (1 - 0.75**5))


def test_halls_transformation_by_hand():
    x = np.array([[1.0, 2, 4, 9]])
    # mean 4, s = sqrt(38 / 3) = 3.5590, third central moment (-27 - 8 + 0 + 125) / 4 = 22.5
    skewness, ratio = 22.5 / 3.5590**3, 4 / 3.5590
    moved = ratio + skewness * ratio**2 / 3 + skewness**2 * ratio**3 / 27 + skewness / 24
    assert levels.hall(x)[0] == pytest.approx(2 * stats.t.sf(2 * moved, 3), rel=1e-3)


def test_the_sign_flips_are_counted():
    # 1..5: only the two samples of one sign are as extreme as it: 2 of 32
    assert levels.both(np.array([[1.0, 2, 3, 4, 5]]))[0] == 2 / 32


@pytest.mark.slow
def test_the_table_has_a_row_for_each_method_and_number_of_seeds(result):
    lines = levels.table(result).splitlines()
    assert len(lines) == 2 + len(levels.METHODS) * len(levels.SEEDS)
    assert {line.count("|") for line in lines} == {len(levels.LAWS) + len(levels.SHIFTS) + 3}
