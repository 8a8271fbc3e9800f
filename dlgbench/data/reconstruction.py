"""Digits to give back, through a code.

Slide "Encoder-decoder": "Turns image into vector ... Turns code back into image".
"""

from __future__ import annotations

import numpy as np

from dlgbench.data.arrays import Arrays
from dlgbench.data.loading import load
from dlgbench.registry import register_data


@register_data("mnist5k_identity", target_range=1.0)
def mnist5k_identity() -> Arrays:
    """The digits of `mnist5k`, each its own target: (N, 1, 28, 28) uint8."""
    pool, test = _digits()
    return Arrays((pool, pool), (test, test), 1)


@register_data("mnist5k_shuffled", target_range=1.0)
def mnist5k_shuffled() -> Arrays:
    """Control of `mnist5k_identity`: the target of a digit is another digit of its split.

    Each split goes round by one, so no digit is its own target. Their order is random.
    """
    pool, test = _digits()
    return Arrays((pool, np.roll(pool, 1, 0)), (test, np.roll(test, 1, 0)), 1)


def _digits() -> list[np.ndarray]:
    arrays = load("mnist5k")
    return [x for x, _ in (arrays.pool, arrays.test)]
