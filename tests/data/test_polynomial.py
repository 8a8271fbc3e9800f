import numpy as np
import pytest
from scipy import stats
from scipy.special import eval_legendre

from dlgbench.data import load


def test_inputs_are_legendres_polynomials_and_only_the_pool_is_noisy():
    arrays = load("polynomial")
    for (x, y), noise in ((arrays.pool, 0.2), (arrays.test, 0.0)):
        assert (x.shape[1:], y.shape[1:]) == ((13,), (1,))
        u = x[:, 1].astype(float)
        legendre = np.stack([eval_legendre(degree, u) for degree in range(13)], 1)
        assert np.allclose(x, legendre, atol=1e-5)
        residual = y[:, 0] - np.sin(np.pi * u)
        assert residual.std() == pytest.approx(noise, rel=0.05, abs=1e-5)
        assert residual.mean() == pytest.approx(0, abs=0.02)
        assert stats.kstest(u, "uniform", (-1, 2)).pvalue > 1e-3
        assert not noise or stats.kstest(residual / noise, "norm").pvalue > 1e-3
    assert (len(arrays.pool[0]), len(arrays.test[0])) == (2000, 1000)


def test_least_squares_finds_the_function_from_2000_points_and_over_fits_15():
    arrays = load("polynomial")
    (x, y), (xt, yt) = arrays.pool, arrays.test

    def mse(rows):
        w, *_ = np.linalg.lstsq(x[rows].astype(float), y[rows], rcond=None)
        return np.square(xt @ w - yt).mean(), np.square(x[rows] @ w - y[rows]).mean()

    test, train = mse(slice(None))
    assert test < 1e-3
    assert train == pytest.approx(0.04, rel=0.1)
    few = [mse(slice(k, k + 15)) for k in range(0, 1500, 15)]
    assert np.median([test for test, _ in few]) > 1  # 1,000 times worse
    assert np.median([train for _, train in few]) < 0.02
