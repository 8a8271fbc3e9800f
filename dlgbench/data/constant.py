"""Patches without edges: a control of what photographs teach about a filter."""

from __future__ import annotations

import numpy as np

from dlgbench.data.arrays import Arrays
from dlgbench.data.photographs import photographs_sobel, sobel
from dlgbench.registry import register_data


@register_data("constant_sobel")
def constant_sobel() -> Arrays:
    """Control of `photographs_sobel`: each patch is its mean everywhere; y is its `sobel` response.

    Both are (N, 1, 16, 16) float32. Of the inner 14x14 y is 0, and a kernel w only has to have
    (sum of w) c = 0: one equation for nine weights. So learn it without padding. The padded frame
    is an edge: its corners, sides and inside are nine independent equations, which give w away.
    """
    photographs = photographs_sobel()
    return Arrays(_flat(photographs.pool), _flat(photographs.test), 1)


def _flat(split: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    x = np.broadcast_to(split[0].mean((2, 3), keepdims=True), split[0].shape).copy()
    return x, sobel(x)
