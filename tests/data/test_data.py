"""Over the whole registry: a new data set is tested without being named here."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dlgbench.data import load
from dlgbench.data.arrays import checksum
from dlgbench.registry import DATA

LABELLED_IMAGES = {"mnist5k", "digits", "mnist", "fashion_mnist", "cifar10"}
# Not shipped by a package: tested on small stand-ins in test_images, test_cifar and test_canvases.
FETCHED = {
    "mnist",
    "mnist_placed",
    "cifar10",
    "cifar10_ab",
    "cifar10_ab_shuffled",
    "fashion_mnist",
    "dense_cue_fashion",
}
SHIPPED = [
    name
    for name, part in DATA.items()
    if name not in FETCHED and part.make.__module__.startswith("dlgbench.")
]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_data_set_is_what_arrays_promises_and_the_same_when_it_is_read_again(name):
    arrays, again = load(name), DATA[name].make()
    assert arrays.digest == again.digest
    assert len(arrays.digest) == 64
    for (x, y), (x2, y2) in ((arrays.pool, again.pool), (arrays.test, again.test)):
        assert np.array_equal(x, x2)
        assert np.array_equal(y, y2)
        assert len(x) == len(y)
        assert x.dtype == np.float32 or (x.dtype == np.uint8 and x.ndim == 4)
        assert x.ndim in {2, 4}
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()
        assert x.flags.writeable  # torch warns of arrays that are not
        assert y.flags.writeable
        if y.ndim in {1, 3}:  # classes: for each example, or each pixel
            assert y.dtype == np.int64
            assert y.ndim == 1 or y.shape[1:] == x.shape[2:]
            assert set(np.unique(y)) - {-1} == set(range(arrays.num_classes))
            assert y.ndim == 3 or y.min() == 0
        else:
            assert y.dtype == np.float32 or (y.dtype == np.uint8 and y.ndim == 4)
            assert y.shape[1] == arrays.num_classes
    if name != "constant_sobel":  # there are but few greys for a constant image
        in_pool = {row.tobytes() for row in arrays.pool[0]}
        assert not in_pool & {row.tobytes() for row in arrays.test[0]}  # none is in both
    of_arrays = checksum(*arrays.pool, *arrays.test)
    assert of_arrays == checksum(*again.pool, *again.test)
    assert of_arrays != checksum(*arrays.test, *arrays.pool)


def test_sets_of_labelled_images_can_stand_in_for_each_other_and_no_others():
    assert {name for name, part in DATA.items() if part.kind} == LABELLED_IMAGES
    assert {DATA[name].kind for name in LABELLED_IMAGES} == {"labelled images"}
    changed = {name: part.overrides for name, part in DATA.items() if part.overrides}
    assert changed == {"digits": {"data_args.val": 200, "data_args.shrink": 1}}


def test_nothing_is_read_and_nothing_heavy_imported_before_a_data_set_is_loaded():
    heavy = {"torch", "torchvision", "scipy", "sklearn", "skimage", "PIL"}
    code = f"import sys, dlgbench.data; sys.exit(' '.join({heavy} & set(sys.modules)) or None)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DLGBENCH_DATA": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
