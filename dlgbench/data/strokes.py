"""Line drawings and their rough sketches (slide "Learning to simplify"; Simo-Serra et al. 2016, SIGGRAPH), synthetic."""

from __future__ import annotations

import numpy as np

from dlgbench.data import register_data
from dlgbench.data.arrays import SPLIT_SEED, Arrays, checksum

SIDE, SCALE = 32, 3  # pixels; subpixels to a pixel
STROKES, REDRAWN, POINTS = (
    4,
    3,
    100,
)  # strokes of a drawing at most; times that a sketch draws each; points along a stroke
JITTER, NOISE = 0.8, 0.05  # SD of a control point's place in pixels; SD of a pixel
DISC = 2  # radius of the pen in subpixels: a disc of 13, so a stroke is 1.4 pixels wide
BLOCK = 100  # drawings at a time, which stay in the cache


@register_data("strokes")
def strokes() -> Arrays:
    """Drawings y of 2 to 4 strokes, 1.4 pixels wide, half of them straight, and their sketches x: the same three times over, jittered and fainter, plus noise.

    x, y: (N, 1, 32, 32) uint8; a pool of 3,000, a test split of 1,000. The net must give the one clean line for the rough ones.
    """
    x, y = draw(np.random.default_rng(SPLIT_SEED), 4000)
    return Arrays((x[:3000], y[:3000]), (x[3000:], y[3000:]), 1, checksum(x, y))


def draw(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sketches and their drawings, n of each: (n, 1, 32, 32) uint8.

    A stroke is a cubic Bezier curve of control points p, uniform in the image less a margin of 2; a straight one has them on a line. A sketch is
    1 - max_k d_k ink(p + N(0, 0.8^2)), with darkness d_k ~ U(0.3, 0.9) for k = 1, 2, 3, plus N(0, 0.05^2).
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
    return _paper(rough), _paper(ink(p, drawn))


def ink(p: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How much of each pixel the strokes cover, (n, 32, 32) in [0, 1]: control points p (n, S, 4, 2), `drawn` (n, S) the strokes that are there."""
    t = np.linspace(0, 1, POINTS, dtype=np.float32)
    bernstein = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    points = p.astype(np.float32).swapaxes(2, 3) @ bernstein  # (n, S, 2, T)
    return np.concatenate(
        [_ink(points[k : k + BLOCK], drawn[k : k + BLOCK]) for k in range(0, len(p), BLOCK)]
    )


def _ink(points: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """A disc at each point (n, S, 2, T) of a stroke, on a grid of SCALE^2 subpixels, averaged over pixels."""
    fine = SIDE * SCALE
    right, down = np.moveaxis(np.floor(points * SCALE).astype(int) + DISC, 2, 0)  # (n, S, T)
    inside = (
        drawn[..., None]
        & (np.minimum(right, down) >= 0)
        & (np.maximum(right, down) < fine + 2 * DISC)
    )
    centres = np.zeros((len(points), fine + 2 * DISC, fine + 2 * DISC), np.uint8)
    centres[np.nonzero(inside)[0], down[inside], right[inside]] = 1
    covered = np.zeros((len(points), fine, fine), np.uint8)
    for i, j in np.argwhere(np.hypot(*np.mgrid[-DISC : DISC + 1, -DISC : DISC + 1]) <= DISC):
        covered |= centres[:, i : i + fine, j : j + fine]
    return covered.reshape(len(points), SIDE, SCALE, SIDE, SCALE).mean((2, 4), dtype=np.float32)


def _paper(ink: np.ndarray) -> np.ndarray:
    return np.round(255 * (1 - ink).clip(0, 1)).astype(np.uint8)[:, None]
