"""A data set in memory, as numpy arrays."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

SPLIT_SEED = 2018  # for data sets without an official test split: cut once, the same for ever


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """Inputs x and targets y: a pool for training and validation, and a test split.

    x is (N, ...): images (N, C, H, W) of uint8 (read as [0, 1]) or float32, or vectors (N, D) of float32. y is (N,) of int64 for classes, (N, K) of float32 for
    numbers, (N, H, W) of int64 for a class per pixel (-1: no label), or (N, C, H, W) of float32 or uint8 for images.
    `num_classes` is how many outputs a network for it has: classes, numbers, or channels.
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


def checksum(*arrays: np.ndarray) -> str:
    """SHA-256 over the bytes of arrays: the digest of a data set that was generated or decoded."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
