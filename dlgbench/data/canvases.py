"""Canvases with two objects side by side, and a class for each pixel of theirs.

Slide "Atrous convolution = Dilated Convolution". x: (N, 1, 18, 36) uint8. y: (N, 18, 36) int64, the
object's class on its pixels and -1 on the background, which counts for nothing. An object is a real
image of 28x28, averaged over squares of 2 to 14x14. It lies at random, 1 to 3 pixels from each edge
of its half of the canvas.
"""

from __future__ import annotations

import numpy as np

from dlgbench.data.arrays import SPLIT_SEED, Arrays
from dlgbench.data.loading import load
from dlgbench.registry import register_data

HEIGHT, HALF, OBJECT = 18, 18, 14
FOREGROUND = 51  # of 255: a pixel that is at least as bright belongs to its object
ROWS, COLUMNS = [[1, 1], [0, 0]], [[1, 0], [1, 0]]
CHEQUERS, DOTS = [[1, 0], [0, 1]], [[1, 0], [0, 0]]
TEXTURES = np.array([ROWS, COLUMNS, CHEQUERS, DOTS])  # bright or dark
DARK, BRIGHT = 102, 255


@register_data("dense_cue")
def dense_cue() -> Arrays:
    """Digits of `mnist5k`, 10 classes.

    A pool of 1,500 canvases from its pool, a test split of 1,000 from its test split, each digit
    once. A pixel's class is in the shape of the digit, most of which lies farther away than three
    plain 3x3 layers see.
    """
    return _canvases("mnist5k", 1500, 1000)


@register_data("dense_cue_fashion")
def dense_cue_fashion() -> Arrays:
    """Garments of `fashion_mnist`, 10 classes.

    A pool of 6,000 canvases from its pool, a test split of 2,000 from its test split, each garment
    at most once. A pixel's class is in the shape of the garment, most of which lies farther away
    than three plain 3x3 layers see.
    """
    return _canvases("fashion_mnist", 6000, 2000)


@register_data("dense_cue_near")
def dense_cue_near() -> Arrays:
    """Control of `dense_cue`: its digits, filled with textures; the class is the texture.

    Each digit is a pixel thicker and filled with one of 4 textures of period 2, in any phase. Each
    pixel of an object lies in a square of 2x2 of its pixels, in which the textures differ: the cue
    lies within 1 pixel. Sizes as in `dense_cue`.
    """
    random, digits = np.random.default_rng([SPLIT_SEED, 1]), load("dense_cue")
    pool, test = (_fill(x, random) for x in (digits.pool[0], digits.test[0]))
    return Arrays(pool, test, len(TEXTURES))


def _canvases(name: str, pool_size: int, test_size: int) -> Arrays:
    random, objects = np.random.default_rng(SPLIT_SEED), load(name)
    pool = _compose(*objects.pool, pool_size, random)
    test = _compose(*objects.test, test_size, random)
    return Arrays(pool, test, objects.num_classes)


def _compose(
    x: np.ndarray, y: np.ndarray, size: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`size` canvases and their labels, from twice as many objects drawn without replacement."""
    chosen = random.permutation(len(x))[: 2 * size].reshape(2, size)
    top, left = random.integers(1, 4, (2, 2, size))
    canvas = np.zeros((size, HEIGHT, 2 * HALF), np.uint8)
    labels = np.full((size, HEIGHT, 2 * HALF), -1)
    image, side = np.arange(size)[:, None, None], np.arange(OBJECT)
    for half in (0, 1):
        rows = top[half, :, None, None] + side[:, None]
        columns = half * HALF + left[half, :, None, None] + side
        squares = x[chosen[half], 0].reshape(size, OBJECT, 2, OBJECT, 2)
        small = squares.mean((2, 4)).round().astype(np.uint8)
        canvas[image, rows, columns] = small
        on_object = small >= FOREGROUND
        labels[image, rows, columns] = np.where(on_object, y[chosen[half], None, None], -1)
    return canvas[:, None], labels


def _fill(x: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The objects of canvases (N, 1, H, W) filled with textures, and their labels.

    They are made thicker first, by one pixel to the right and below.
    """
    mask = x[:, 0] >= FOREGROUND
    mask[:, 1:] |= mask[:, :-1]
    mask[:, :, 1:] |= mask[:, :, :-1]
    draws = (random.integers(0, count, (len(x), 1, 2)) for count in (len(TEXTURES), 2, 2))
    kind, down, right = (np.repeat(drawn, HALF, axis=2) for drawn in draws)  # (N, 1, W): by halves
    rows, columns = np.arange(HEIGHT)[:, None] + down, np.arange(2 * HALF) + right
    bright = TEXTURES[kind, rows % 2, columns % 2]
    canvas = np.where(mask, np.where(bright, BRIGHT, DARK), 0).astype(np.uint8)
    return canvas[:, None], np.where(mask, kind, -1)
