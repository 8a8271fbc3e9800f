"""A data set in memory, as numpy arrays."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from dlgbench.errors import DlgbenchError

SPLIT_SEED = 2018  # a data set without an official test split is cut once, the same way for ever


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """Inputs x and targets y: a pool, from which seeds draw their splits, and a fixed test split.

    x holds float32 of shape (N, ...): vectors (N, D), images (N, C, H, W), or what else a network
    takes. Images (N, C, H, W) may be uint8 too; they are read as numbers in [0, 1]. y is one of

        (N,) int64                      a class for each example, from 0
        (N, H, W) int64                 a class for each pixel, -1 where there is no label
        (N, K) float32                  K numbers for each example
        (N, C, H, W) float32 or uint8   an image for each example

    Numbers of other types are converted to the type that is listed: float64 to float32, int32
    labels to int64. Floats are never taken for classes. Training standardizes x by one mean and one
    standard deviation over all its entries, so columns of different scales need the loader's care.

    Args:
        pool, test: a pair (x, y) each.
        num_classes: how many outputs a network for it has: classes, numbers, or channels.
        digest: the checksum of what was read, a part of each cell's fingerprint. If there is none,
            it is the checksum of the arrays.

    Raises:
        DlgbenchError: for arrays that are not as described here.
    """

    pool: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    num_classes: int
    digest: str = ""

    def __post_init__(self) -> None:
        pool, test = _as_split("pool", self.pool), _as_split("test", self.test)
        for name, one, other in zip("xy", pool, test, strict=True):
            if (one.shape[1:], one.dtype) != (other.shape[1:], other.dtype):
                came = f"{_describe(one)} and {_describe(other)}"
                raise DlgbenchError(f"expected {name} of pool and test to be alike, got {came}")
        num_classes = _as_count("num_classes", self.num_classes)
        for y in (pool[1], test[1]):
            _check_outputs(y, num_classes)
        object.__setattr__(self, "pool", pool)
        object.__setattr__(self, "test", test)
        object.__setattr__(self, "num_classes", num_classes)
        object.__setattr__(self, "digest", self.digest or checksum(*pool, *test))

    @classmethod
    def cut(
        cls, x: np.ndarray, y: np.ndarray, test: int, num_classes: int, digest: str = ""
    ) -> Arrays:
        """Sets `test` examples apart as the test split, by one fixed permutation.

            @register_data("iris")
            def iris() -> Arrays:
                x, y = sklearn.datasets.load_iris(return_X_y=True)
                return Arrays.cut(x, y, test=50, num_classes=3)

        Raises:
            DlgbenchError: where x and y differ in length, or are too short for such a test split.
        """
        x, y = np.asarray(x), np.asarray(y)
        _check_lengths("x and y", x, y)
        if _as_count("test", test) >= len(x):
            raise DlgbenchError(f"expected test below {len(x)}, the number of examples, got {test}")
        order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
        held_out, pool = order[:test], order[test:]
        return cls((x[pool], y[pool]), (x[held_out], y[held_out]), num_classes, digest)


def checksum(*arrays: np.ndarray) -> str:
    """SHA-256 over the bytes of arrays: the digest of a data set that was generated or decoded."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _as_split(name: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets in the types that `Arrays` describes."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise DlgbenchError(f"expected {name} to be a pair (x, y), got {type(pair).__name__}")
    x, y = _as_inputs(f"{name} x", pair[0]), _as_targets(f"{name} y", pair[1])
    _check_lengths(f"{name} x and y", x, y)
    if not x.size:
        raise DlgbenchError(f"expected at least one example in {name}, got x of shape {x.shape}")
    return x, y


def _as_inputs(name: str, values: Any) -> np.ndarray:
    x = _as_numbers(name, values)
    if x.ndim < 2:
        wanted, hint = "(N, D) or (N, C, H, W)", "x[:, None] has shape (N, 1)"
        raise DlgbenchError(f"expected {name} of shape {wanted}, got {x.shape}; {hint}")
    if x.dtype == np.uint8 and x.ndim == 3:
        wanted, hint = "images (N, C, H, W)", "x[:, None] is one channel"
        raise DlgbenchError(f"expected {name} of {wanted}, got {_describe(x)}; {hint}")
    return _as_type(name, x, np.uint8 if x.dtype == np.uint8 and x.ndim == 4 else np.float32)


def _as_targets(name: str, values: Any) -> np.ndarray:
    y = _as_numbers(name, values)
    if not 1 <= y.ndim <= 4:
        wanted = "classes (N,) or (N, H, W), numbers (N, K) or images (N, C, H, W)"
        raise DlgbenchError(f"expected {name} of {wanted}, got {_describe(y)}")
    if y.ndim in {1, 3} and y.dtype.kind == "f":
        hint = "y.astype(int) are classes, y[:, None] are numbers"
        raise DlgbenchError(f"expected {name} of whole numbers, got {_describe(y)}; {hint}")
    if y.ndim in {1, 3}:
        return _as_type(name, y, np.int64)
    return _as_type(name, y, np.uint8 if y.dtype == np.uint8 and y.ndim == 4 else np.float32)


def _as_numbers(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise DlgbenchError(f"expected numbers in {name}, got dtype {array.dtype}")
    return array


def _as_type(name: str, array: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """The array itself where torch can use it as it is, else a copy."""
    with np.errstate(over="ignore"):  # it is then infinite, which is refused below
        array = array.astype(dtype, copy=False)
    if not array.flags.writeable or min(array.strides) < 0:
        array = array.copy()
    if array.dtype == np.float32 and not np.isfinite(array).all():
        count = array.size - np.isfinite(array).sum()
        raise DlgbenchError(f"expected finite numbers in {name}, got {count} that are not")
    return array


def _as_count(name: str, value: Any) -> int:
    if isinstance(value, (int, np.integer)) and value > 0:
        return int(value)
    raise DlgbenchError(f"expected {name} to be a whole number above 0, got {value!r}")


def _check_lengths(names: str, x: np.ndarray, y: np.ndarray) -> None:
    if x.shape[:1] != y.shape[:1]:
        came = f"shapes {x.shape} and {y.shape}"
        raise DlgbenchError(f"expected {names} of equal length, got {came}")


def _check_outputs(y: np.ndarray, num_classes: int) -> None:
    """Do labels, or the number of channels, fit a network with so many outputs?"""
    if y.ndim in {2, 4}:
        if y.shape[1] != num_classes:
            wanted = f"num_classes={y.shape[1]}, the outputs for y of shape {y.shape}"
            raise DlgbenchError(f"expected {wanted}, got {num_classes}")
        return
    least = 0 if y.ndim == 1 else -1
    if y.min() < least or y.max() >= num_classes:
        wanted = f"labels from {least} to {num_classes - 1}, as num_classes={num_classes}"
        raise DlgbenchError(f"expected {wanted}, got {y.min()} to {y.max()}")


def _describe(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"
