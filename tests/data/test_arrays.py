"""What `Arrays` accepts, converts and refuses."""

import dataclasses

import numpy as np
import pytest

from dlgbench import Arrays, DlgbenchError
from dlgbench.data.arrays import checksum

VECTORS, IMAGES = np.zeros((6, 4), np.float32), np.zeros((6, 1, 8, 8), np.uint8)
LABELS = np.arange(6) % 3
NUMBERS = np.zeros((6, 2), np.float32)


def both(x, y, num_classes=3):
    """The same arrays as pool and as test split."""
    return Arrays((x, y), (x, y), num_classes)


def test_cut_sets_a_test_split_apart_by_one_permutation():
    x, y = np.arange(20, dtype=np.float32)[:, None], np.arange(20) % 2
    arrays, again = (Arrays.cut(x, y, test=5, num_classes=2) for _ in range(2))
    assert (arrays.pool[0].shape, arrays.test[0].shape) == ((15, 1), (5, 1))
    assert sorted(np.concatenate([arrays.pool[0], arrays.test[0]])[:, 0]) == list(range(20))
    assert np.array_equal(arrays.pool[1], arrays.pool[0][:, 0] % 2)
    assert np.array_equal(arrays.test[1], arrays.test[0][:, 0] % 2)
    assert np.array_equal(arrays.test[0], again.test[0])
    assert not np.array_equal(arrays.test[0], x[:5])


def test_the_digest_is_the_checksum_of_the_arrays_unless_one_is_given():
    arrays, moved = both(VECTORS, LABELS), both(VECTORS + 1, LABELS)
    assert arrays.digest == checksum(VECTORS, LABELS, VECTORS, LABELS) != moved.digest
    assert Arrays.cut(VECTORS, LABELS, 2, 3, "of a file").digest == "of a file"


@pytest.mark.parametrize(
    ("x", "y", "num_classes", "types"),
    [
        (VECTORS.astype(float), LABELS.astype(np.int32), 3, ("float32", "int64")),
        (IMAGES.astype(float), LABELS.astype(np.uint8), 3, ("float32", "int64")),
        (VECTORS.astype(np.uint8), LABELS > 0, 2, ("float32", "int64")),
        (VECTORS.astype(int).tolist(), NUMBERS.astype(float), 2, ("float32", "float32")),
        (IMAGES, NUMBERS.astype(int), 2, ("uint8", "float32")),
        (IMAGES, IMAGES, 1, ("uint8", "uint8")),
        (IMAGES, IMAGES.astype(float), 1, ("uint8", "float32")),
        (IMAGES, IMAGES[:, 0] - 1.0 < 0, 3, ("uint8", "int64")),
    ],
)
def test_numbers_of_other_types_are_converted_without_a_change_of_value(x, y, num_classes, types):
    arrays = both(x, y, num_classes)
    for split in (arrays.pool, arrays.test):
        assert tuple(array.dtype for array in split) == types
        assert np.array_equal(split[0], x)
        assert np.array_equal(split[1], y)


def test_an_array_that_torch_can_use_is_not_copied_and_another_is():
    backwards, fixed = VECTORS[::-1], LABELS.copy()
    fixed.flags.writeable = False
    assert both(VECTORS, LABELS).pool[0] is VECTORS
    arrays = both(backwards, fixed)
    assert arrays.pool[0].strides == VECTORS.strides
    assert arrays.pool[1].flags.writeable


def test_an_array_cannot_be_put_in_the_place_of_another():
    with pytest.raises(dataclasses.FrozenInstanceError):
        both(VECTORS, LABELS).pool = (VECTORS, LABELS)


def with_one(array, value):
    changed = array.copy()
    changed.flat[0] = value
    return changed


UNSOUND = {  # what is built, what is expected, what came
    "pair": (
        lambda: Arrays(VECTORS, (VECTORS, LABELS), 3),
        "pool to be a pair (x, y)",
        "ndarray",
    ),
    "length": (
        lambda: Arrays((VECTORS, LABELS), (VECTORS, LABELS[:5]), 3),
        "test x and y of equal length",
        "shapes (6, 4) and (5,)",
    ),
    "length when cut": (
        lambda: Arrays.cut(VECTORS, LABELS[:5], test=2, num_classes=3),
        "x and y of equal length",
        "shapes (6, 4) and (5,)",
    ),
    "empty": (
        lambda: Arrays((VECTORS, LABELS), (VECTORS[:0], LABELS[:0]), 3),
        "at least one example in test",
        "x of shape (0, 4)",
    ),
    "cut too large": (
        lambda: Arrays.cut(VECTORS, LABELS, test=6, num_classes=3),
        "test below 6, the number of examples",
        "6",
    ),
    "cut by a share": (
        lambda: Arrays.cut(VECTORS, LABELS, test=0.2, num_classes=3),
        "test to be a whole number above 0",
        "0.2",
    ),
    "shapes apart": (
        lambda: Arrays((VECTORS, LABELS), (VECTORS[:, 1:], LABELS), 3),
        "x of pool and test to be alike",
        "float32 of shape (6, 4) and float32 of shape (6, 3)",
    ),
    "types apart": (
        lambda: Arrays((IMAGES, LABELS), (IMAGES / 255, LABELS), 3),
        "x of pool and test to be alike",
        "uint8 of shape (6, 1, 8, 8) and float32 of shape (6, 1, 8, 8)",
    ),
    "text": (
        lambda: both(VECTORS.astype(str), LABELS),
        "numbers in pool x",
        "dtype <U32",
    ),
    "flat x": (
        lambda: both(VECTORS[:, 0], LABELS),
        "pool x of shape (N, D) or (N, C, H, W)",
        "(6,); x[:, None] has shape (N, 1)",
    ),
    "no channel": (
        lambda: both(IMAGES[:, 0], LABELS),
        "pool x of images (N, C, H, W)",
        "uint8 of shape (6, 8, 8); x[:, None] is one channel",
    ),
    "not finite": (
        lambda: both(with_one(VECTORS, np.nan), LABELS),
        "finite numbers in pool x",
        "1 that are not",
    ),
    "too large for float32": (
        lambda: both(VECTORS, with_one(NUMBERS.astype(float), 1e300), 2),
        "finite numbers in pool y",
        "1 that are not",
    ),
    "float labels": (
        lambda: both(VECTORS, LABELS.astype(float)),
        "pool y of whole numbers",
        "float64 of shape (6,); y.astype(int) are classes, y[:, None] are numbers",
    ),
    "y of five axes": (
        lambda: both(IMAGES, IMAGES[None].swapaxes(0, 1)),
        "pool y of classes (N,) or (N, H, W), numbers (N, K) or images (N, C, H, W)",
        "uint8 of shape (6, 1, 1, 8, 8)",
    ),
    "labels from 1": (
        lambda: both(VECTORS, LABELS + 1),
        "labels from 0 to 2, as num_classes=3",
        "1 to 3",
    ),
    "a label below 0": (
        lambda: both(VECTORS, LABELS - 1),
        "labels from 0 to 2, as num_classes=3",
        "-1 to 1",
    ),
    "labels of pixels": (
        lambda: both(IMAGES, IMAGES[:, 0].astype(int) - 2),
        "labels from -1 to 2, as num_classes=3",
        "-2 to -2",
    ),
    "outputs": (
        lambda: both(VECTORS, NUMBERS),
        "num_classes=2, the outputs for y of shape (6, 2)",
        "3",
    ),
    "no classes": (
        lambda: both(VECTORS, LABELS, num_classes=0),
        "num_classes to be a whole number above 0",
        "0",
    ),
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_unsound_arrays_are_refused_with_one_message(kind):
    build, wanted, came = UNSOUND[kind]
    with pytest.raises(DlgbenchError) as raised:
        build()
    assert str(raised.value) == f"expected {wanted}, got {came}"
