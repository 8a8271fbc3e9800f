"""Digits, each placed at random on a canvas that is larger than it.

Slide "Fully-connected Layer". A canvas is black, 40x40 for images of 28x28; each image lies wholly
on it, at a place that is drawn once, uniformly. Pool and test split are those of the images.
"""

from __future__ import annotations

import numpy as np

from dlgbench.data.arrays import SPLIT_SEED, Arrays, checksum
from dlgbench.data.loading import load
from dlgbench.registry import register_data

MARGIN = 6  # pixels on each side of an image that lies in the middle


@register_data("mnist5k_placed")
def mnist5k_placed() -> Arrays:
    """Digits of `mnist5k`, each at a random one of 13x13 places on a canvas of 40x40."""
    arrays, random = load("mnist5k"), np.random.default_rng(SPLIT_SEED)
    pool, test = ((place(x, random), y) for x, y in (arrays.pool, arrays.test))
    return Arrays(pool, test, arrays.num_classes, checksum(*pool, *test))


def place(x: np.ndarray, random: np.random.Generator, margin: int = MARGIN) -> np.ndarray:
    """Places each image at random on a black canvas.

    Shapes: (N, C, H, W) -> (N, C, H + 2 margin, W + 2 margin).
    """
    count, channels, height, width = x.shape
    canvas = np.zeros((count, channels, height + 2 * margin, width + 2 * margin), x.dtype)
    places = random.integers(0, 2 * margin + 1, (count, 2))
    for image, target, (top, left) in zip(x, canvas, places, strict=True):
        target[:, top : top + height, left : left + width] = image
    return canvas
