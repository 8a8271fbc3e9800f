"""Over the whole registry, unasked."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dlgbench import DlgbenchError
from dlgbench.data import LOADERS, load, register_data
from dlgbench.data.arrays import checksum

FETCHED = {
    "mnist",
    "cifar10",
    "fashion_mnist",
    "dense_cue_fashion",
}  # wanted from elsewhere: test_images.py, test_canvases.py


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, loader in LOADERS.items()
        if name not in FETCHED and loader.__module__.startswith("dlgbench.")
    ],
)
def test_every_data_set_is_what_arrays_promises_and_the_same_again(name):
    arrays, again = load(name), LOADERS[name]()
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
    seen = {row.tobytes() for row in arrays.pool[0]}
    assert not seen & {row.tobytes() for row in arrays.test[0]}  # no test example in the pool
    assert (
        checksum(*arrays.pool, *arrays.test)
        == checksum(*again.pool, *again.test)
        != checksum(*arrays.test, *arrays.pool)
    )


def test_nothing_is_read_and_nothing_heavy_imported_before_a_data_set_is_asked_for():
    code = "import sys, dlgbench.data; sys.exit(str({'skimage', 'sklearn', 'torchvision', 'scipy', 'PIL'} & set(sys.modules) or '') or None)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DLGBENCH_DATA": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr


def test_a_registry_refuses_duplicates():
    with pytest.raises(DlgbenchError, match="data set 'xor' is registered twice"):
        register_data("xor")(LOADERS["xor"])


def test_an_unknown_data_set_is_said_with_its_nearest():
    with pytest.raises(
        DlgbenchError, match=r"no data set is called 'strok'; did you mean 'strokes'\?"
    ):
        load("strok")
