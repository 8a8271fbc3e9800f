"""A data set in memory, as numpy arrays."""

from __future__ import annotations

import dataclasses

import numpy as np

SPLIT_SEED = 2018  # for data sets without an official test split: cut once, the same for ever


@dataclasses.dataclass(frozen=True)
class Arrays:
    """Inputs (N, ...) as uint8 or float32, labels (N,) as int64: a pool for training and validation, and a test split.

    `digest` is the checksum of what was read; it is part of each cell's fingerprint.
    """

    pool: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    num_classes: int
    digest: str

    @classmethod
    def cut(cls, x: np.ndarray, y: np.ndarray, test: int, num_classes: int, digest: str) -> Arrays:
        """Sets `test` examples apart, by one fixed permutation."""
        order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
        held, pool = order[:test], order[test:]
        return cls((x[pool], y[pool]), (x[held], y[held]), num_classes, digest)
