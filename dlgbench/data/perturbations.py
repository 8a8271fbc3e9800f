"""Images whose target is the image itself, or the image a little changed.

Slide "Residual Network": "If optimal mapping is closer to identity, easier to find small
fluctuations".
"""

from __future__ import annotations

import numpy as np

from dlgbench.data.arrays import Arrays
from dlgbench.data.loading import load
from dlgbench.registry import register_data

MIDDLE = slice(8, 24)  # of the 32 rows and columns of `photographs`
SHARPENING = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], np.float32) / 10


@register_data("photographs_identity")
def photographs_identity() -> Arrays:
    """The middle of each patch of `photographs`, x = y in [0, 1]: (N, 1, 16, 16) float32."""
    pool, test = _middles()
    return Arrays((pool, pool), (test, test), 1)


@register_data("mnist5k_identity", target_range=1.0)
def mnist5k_identity() -> Arrays:
    """The digits of `mnist5k`, x = y: (N, 1, 28, 28) uint8."""
    pool, test = (x for x, _ in (load("mnist5k").pool, load("mnist5k").test))
    return Arrays((pool, pool), (test, test), 1)


@register_data("photographs_sharpened")
def photographs_sharpened() -> Arrays:
    """The patches of `photographs_identity`, and y = x + `sharpening(x)`: the identity, perturbed.

    One 3x3 convolution with zero padding is the answer, so no error has to remain.
    """
    pool, test = _middles()
    return Arrays((pool, pool + sharpening(pool)), (test, test + sharpening(test)), 1)


def sharpening(x: np.ndarray) -> np.ndarray:
    """(4 x less its four neighbours) / 10 of images (N, C, H, W), with zeros beyond the edges."""
    from scipy import ndimage

    return ndimage.correlate(x, SHARPENING[None, None], mode="constant")


def _middles() -> list[np.ndarray]:
    arrays = load("photographs")
    return [x[:, :, MIDDLE, MIDDLE] / np.float32(255) for x, _ in (arrays.pool, arrays.test)]
