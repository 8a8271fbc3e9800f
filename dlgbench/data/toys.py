"""Two-dimensional toys: what a linear classifier can't separate. x (N, 2) float32, y in {0, 1}."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from dlgbench.data import register_data
from dlgbench.data.arrays import SPLIT_SEED, Arrays

POINTS, TEST = 4000, 2000


def xor(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Y = [x1 x2 < 0], uniform on the square."""
    x = rng.uniform(-1, 1, (n, 2))
    return x, x[:, 0] * x[:, 1] < 0


def circles(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """An annulus of radius 1 around a disc's rim of radius 1/2, both with noise of SD 0.1."""
    y = rng.random(n) < 0.5
    angle, radius = rng.uniform(0, 2 * np.pi, n), np.where(y, 0.5, 1.0)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1) + rng.normal(0, 0.1, (n, 2)), y


def moons(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise of SD 0.1."""
    y = rng.random(n) < 0.5
    angle = rng.uniform(0, np.pi, n)
    x = np.where(y[:, None], np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1), np.stack([np.cos(angle), np.sin(angle)], 1))
    return x + rng.normal(0, 0.1, (n, 2)), y


def spirals(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two arms of an Archimedean spiral, r = angle / 3 pi over one turn and a half, with noise of SD 0.02."""
    y = rng.random(n) < 0.5
    angle = 3 * np.pi * np.sqrt(rng.random(n))
    turned, radius = angle + np.pi * y, angle / (3 * np.pi)
    return np.stack([radius * np.cos(turned), radius * np.sin(turned)], 1) + rng.normal(0, 0.02, (n, 2)), y


def _register(name: str, draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]) -> None:
    @register_data(name)
    def loader() -> Arrays:
        x, y = draw(np.random.default_rng(SPLIT_SEED), POINTS)
        x, y = x.astype(np.float32), y.astype(np.int64)
        return Arrays.cut(x, y, TEST, 2, hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())


for _name, _draw in {"xor": xor, "circles": circles, "moons": moons, "spirals": spirals}.items():
    _register(_name, _draw)
