"""Noisy polynomial regression: the curves of the slide "Reminder: Overfitting, in images"."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.legendre import legvander

from dlgbench.data.arrays import SPLIT_SEED, Arrays
from dlgbench.registry import register_data

DEGREE, NOISE = 12, 0.2


@register_data("polynomial")
def polynomial() -> Arrays:
    """Legendre's polynomials x = P_0(u) ... P_12(u), u ~ U(-1, 1), and y = sin(pi u) + N(0, 0.2^2).

    x (N, 13) and y (N, 1) are float32. There is a pool of 2,000, and a test split of 1,000
    *without* noise: test/mse is the distance to the function itself, while validation keeps the
    noise's 0.04. The network, a linear one, must find a smooth curve: least squares on 15 points
    does not, on 2,000 it does.
    """
    random = np.random.default_rng(SPLIT_SEED)
    u = random.uniform(-1, 1, 3000)
    x, y = legvander(u, DEGREE).astype(np.float32), np.sin(np.pi * u)[:, None]
    pool = x[:2000], (y[:2000] + random.normal(0, NOISE, (2000, 1))).astype(np.float32)
    return Arrays(pool, (x[2000:], y[2000:].astype(np.float32)), 1)
