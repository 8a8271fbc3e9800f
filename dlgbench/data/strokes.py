"""Line drawings and their rough sketches, synthetic.

Slide "Learning to simplify"; Simo-Serra et al. 2016, SIGGRAPH.
"""

from __future__ import annotations

import numpy as np

from dlgbench.data.arrays import SPLIT_SEED, Arrays, checksum
from dlgbench.registry import register_data

SIDE, SCALE = 32, 3  # side of an image in pixels; side of a pixel in subpixels
STROKES = 4  # strokes of a drawing, at most
REDRAWN = 3  # how often a sketch draws each of them
POINTS = 100  # points along a stroke
JITTER, NOISE = 0.8, 0.05  # SD of a control point's position in pixels; SD of a pixel's noise
DISC = 2  # radius of the pen in subpixels: a disc of 13, so a stroke is 1.4 pixels wide
BLOCK = 100  # drawings that are computed at a time, so that they stay in the processor's cache


@register_data("strokes", target_range=1.0)
def strokes() -> Arrays:
    """Drawings y of 2 to 4 strokes, half of them straight, and their sketches x.

    A stroke is 1.4 pixels wide. A sketch is the same drawing three times over, jittered and
    fainter, plus noise. x and y are (N, 1, 32, 32) uint8; a pool of 3,000, a test split of 1,000.
    The network must give the one clean line for the rough ones.
    """
    x, y = draw(np.random.default_rng(SPLIT_SEED), 4000)
    return Arrays((x[:3000], y[:3000]), (x[3000:], y[3000:]), 1, checksum(x, y))


@register_data("strokes_shuffled", target_range=1.0)
def strokes_shuffled() -> Arrays:
    """Control of `strokes`: the target of a sketch is the drawing of another one of its split.

    Each split goes round by one, so no sketch has its own drawing, and x says nothing about y.
    """
    data = strokes()
    pool, test = ((x, np.roll(y, 1, 0)) for x, y in (data.pool, data.test))
    return Arrays(pool, test, 1, checksum(*pool, *test))


def draw(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sketches and their drawings, n of each: (n, 1, 32, 32) uint8.

    A stroke is a cubic Bezier curve with control points p, uniform in the image less a margin of 2;
    a straight one has them on a line. A sketch, with darkness d_k ~ U(0.3, 0.9) for k = 1, 2, 3, is

        1 - max_k d_k ink(p + N(0, 0.8^2)) + N(0, 0.05^2)
    """
    p = random.uniform(2, SIDE - 2, (n, STROKES, 4, 2))
    straight = p[:, :, :1] + np.linspace(0, 1, 4)[:, None] * (p[:, :, 3:] - p[:, :, :1])
    p = np.where(random.random((n, STROKES, 1, 1)) < 0.5, straight, p)
    drawn = np.arange(STROKES) < random.integers(2, STROKES + 1, (n, 1))
    rough = np.zeros((n, SIDE, SIDE), np.float32)
    for _ in range(REDRAWN):
        darkness = random.uniform(0.3, 0.9, (n, 1, 1)).astype(np.float32)
        np.maximum(rough, darkness * ink(p + random.normal(0, JITTER, p.shape), drawn), out=rough)
    rough += random.normal(0, NOISE, rough.shape)
    return _on_paper(rough), _on_paper(ink(p, drawn))


def ink(p: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How much of each pixel the strokes cover, (n, 32, 32) in [0, 1].

    Args:
        p: control points (n, S, 4, 2), each (x, y) in pixels.
        drawn: (n, S), which strokes there are.
    """
    t = np.linspace(0, 1, POINTS, dtype=np.float32)
    bernstein = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    points = p.astype(np.float32).swapaxes(2, 3) @ bernstein  # (n, S, 2, T)
    starts = range(0, len(p), BLOCK)
    blocks = [_rasterize(points[k : k + BLOCK], drawn[k : k + BLOCK]) for k in starts]
    return np.concatenate(blocks)


def _rasterize(points: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """A disc at each point (n, S, 2, T) of a stroke, on a grid of SCALE^2 subpixels to a pixel.

    The subpixels are averaged: (n, 32, 32).
    """
    fine, padded = SIDE * SCALE, SIDE * SCALE + 2 * DISC
    right, down = np.moveaxis(np.floor(points * SCALE).astype(int) + DISC, 2, 0)  # (n, S, T)
    inside = (np.minimum(right, down) >= 0) & (np.maximum(right, down) < padded)
    inside &= drawn[..., None]
    centres = np.zeros((len(points), padded, padded), np.uint8)
    centres[np.nonzero(inside)[0], down[inside], right[inside]] = 1
    covered = np.zeros((len(points), fine, fine), np.uint8)
    for i, j in np.argwhere(np.hypot(*np.mgrid[-DISC : DISC + 1, -DISC : DISC + 1]) <= DISC):
        covered |= centres[:, i : i + fine, j : j + fine]
    return covered.reshape(len(points), SIDE, SCALE, SIDE, SCALE).mean((2, 4), dtype=np.float32)


def _on_paper(ink: np.ndarray) -> np.ndarray:
    """Black ink on white paper, (n, 1, 32, 32) uint8."""
    return np.round(255 * (1 - ink).clip(0, 1)).astype(np.uint8)[:, None]
