"""A module that `parts.py` imports, and which the fingerprint therefore covers too."""

import numpy as np


def rings(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of shape (n, 2) on two noisy rings around 0, and the number of each one's ring."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n)
    angle, radius = random.uniform(0, 2 * np.pi, n), 1 + y + random.normal(0, 0.1, n)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return x.astype(np.float32), y
