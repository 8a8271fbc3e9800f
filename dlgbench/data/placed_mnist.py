"""All of MNIST, each digit placed at random, as `placed` does with 5,000 of them.

A file of its own, so that what has run on `mnist5k_placed` keeps its fingerprints.
"""

from __future__ import annotations

import numpy as np

from dlgbench.data.arrays import SPLIT_SEED, Arrays
from dlgbench.data.loading import load
from dlgbench.data.placed import place
from dlgbench.registry import register_data


@register_data("mnist_placed")
def mnist_placed() -> Arrays:
    """Digits of `mnist`, each at a random one of 13x13 places on a canvas of 40x40."""
    arrays, random = load("mnist"), np.random.default_rng(SPLIT_SEED)
    pool, test = ((place(x, random), y) for x, y in (arrays.pool, arrays.test))
    return Arrays(pool, test, arrays.num_classes)
