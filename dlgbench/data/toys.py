"""Two-dimensional toys: what a linear classifier can't separate, and what it can.

x is (N, 2) float32, y in {0, 1}; a pool and a test split of 2,000 each. `annulus` and `half_plane`
have a test split of 100,000: whether a network separates two regions *perfectly* is seen on dense
points only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dlgbench.data.arrays import SPLIT_SEED, Arrays, checksum
from dlgbench.registry import register_data

POOL, TEST, DENSE = 2000, 2000, 100_000


def xor(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Uniform points on the square, y = [x1 x2 < 0]."""
    x = rng.uniform(-1, 1, (n, 2))
    return x, x[:, 0] * x[:, 1] < 0


def circles(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two concentric circles of radius 1 and 1/2 (y = 1), both with noise of SD 0.1."""
    y = rng.random(n) < 0.5
    angle, radius = rng.uniform(0, 2 * np.pi, n), np.where(y, 0.5, 1.0)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return x + rng.normal(0, 0.1, (n, 2)), y


def moons(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise of SD 0.1."""
    y = rng.random(n) < 0.5
    angle = rng.uniform(0, np.pi, n)
    one = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    other = np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.where(y[:, None], one, other) + rng.normal(0, 0.1, (n, 2)), y


def spirals(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two arms of an Archimedean spiral, r = angle / 3 pi over 1.5 turns, with noise of SD 0.02."""
    y = rng.random(n) < 0.5
    angle = 3 * np.pi * np.sqrt(rng.random(n))
    turned, radius = angle + np.pi * y, angle / (3 * np.pi)
    x = np.stack([radius * np.cos(turned), radius * np.sin(turned)], 1)
    return x + rng.normal(0, 0.02, (n, 2)), y


def annulus(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc, |x| < 1/3 (y = 1), in a ring, 2/3 < |x| < 1, uniform on each.

    They are perfectly separable, but not by layers of 2 units. Olah 2014, "Neural Networks,
    Manifolds, and Topology".
    """
    y = rng.random(n) < 0.5
    area, angle = rng.random(n), rng.uniform(0, 2 * np.pi, n)
    radius = np.sqrt(np.where(y, area / 9, 4 / 9 + area * 5 / 9))
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), y


def half_plane(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Control: two rectangles on the sides of a line through 0 at 30 degrees, 0.1 away from it."""
    y = rng.random(n) < 0.5
    across = np.where(y, 1, -1) * rng.uniform(0.1, 1, n)
    return np.stack([rng.uniform(-1, 1, n), across], 1) @ _rotation(np.pi / 6), y


def gaussians(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Control: two round Gaussian blobs of SD 0.2 whose centres are 2 apart.

    The line between them is 5 SD away from each.
    """
    y = rng.random(n) < 0.5
    centre = np.stack([np.where(y, 1.0, -1.0), np.zeros(n)], 1)
    return (centre + rng.normal(0, 0.2, (n, 2))) @ _rotation(np.pi / 6), y


def _rotation(angle: float) -> np.ndarray:
    """The matrix R that rotates rows, x R, by `angle`."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _register(
    name: str, draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]], test: int
) -> None:
    @register_data(name)
    def loader() -> Arrays:
        x, y = draw(np.random.default_rng(SPLIT_SEED), POOL + test)
        x, y = x.astype(np.float32), y.astype(np.int64)
        return Arrays.cut(x, y, test, 2, checksum(x, y))


for _draw in (xor, circles, moons, spirals, gaussians):
    _register(_draw.__name__, _draw, TEST)
for _draw in (annulus, half_plane):
    _register(_draw.__name__, _draw, DENSE)
