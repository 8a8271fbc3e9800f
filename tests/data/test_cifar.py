import hashlib
import io
import tarfile

import numpy as np
import pytest
from skimage.color import lab2rgb
from torchvision.datasets import CIFAR10

from dlgbench import DlgbenchError
from dlgbench.data import cifar


def laid_out(content, root):
    """The folder of the data root with the files in it."""
    place = root / "root" / CIFAR10.base_folder
    place.mkdir(parents=True)
    for name, batch in content.items():
        (place / name).write_bytes(batch)
    return place


def test_torchvision_downloads_cifar10(small_cifar, mirror, monkeypatch):
    x, y, content, root = small_cifar
    folder, address = mirror
    with tarfile.open(folder / CIFAR10.filename, "w:gz") as archive:
        for name, batch in content.items():
            entry = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            entry.size = len(batch)
            archive.addfile(entry, io.BytesIO(batch))
    monkeypatch.setattr(CIFAR10, "url", address + CIFAR10.filename)
    packed = (folder / CIFAR10.filename).read_bytes()
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(packed).hexdigest())
    got = cifar.cifar10()
    assert np.array_equal(got.pool[0], x[:15])
    assert np.array_equal(got.test[1], y[15:])
    left = sorted(path.name for path in (root / "root").iterdir())
    assert left == [f".{CIFAR10.base_folder}.lock", CIFAR10.base_folder]


@pytest.mark.usefixtures("unplugged")
def test_cifar10_from_torchvisions_files(small_cifar):
    x, y, content, root = small_cifar
    place = laid_out(content, root)
    got = cifar.cifar10()
    assert np.array_equal(got.pool[0], x[:15])
    assert np.array_equal(got.pool[1], y[:15])
    assert np.array_equal(got.test[0], x[15:])
    assert (got.pool[0].dtype, got.pool[1].dtype, got.num_classes) == (np.uint8, np.int64, 10)
    assert got.pool[0].flags.c_contiguous
    (place / "data_batch_3").write_bytes(content["data_batch_3"][:-1] + b"!")
    with pytest.raises(DlgbenchError, match=r"cifar-10-batches-py/data_batch_3 is corrupt: MD5"):
        cifar.cifar10()


@pytest.mark.usefixtures("unplugged")
def test_cifar10_to_be_coloured(small_cifar):
    x, _, content, root = small_cifar
    laid_out(content, root)
    got = cifar.cifar10_ab()
    for split, rgb in ((got.pool, x[:15]), (got.test, x[15:])):
        assert [part.dtype for part in split] == [np.float32, np.float32]
        lab = np.concatenate([split[0] * 100, split[1] * 110], 1)
        assert np.abs(lab2rgb(lab, channel_axis=1) * 255 - rgb).max() < 0.51
    assert (got.pool[0].shape, got.pool[1].shape) == ((15, 1, 32, 32), (15, 2, 32, 32))
    assert (got.num_classes, got.digest) == (2, cifar.cifar10().digest)
    apart = cifar.cifar10_ab_shuffled()
    for (x, y), (same, other) in ((got.pool, apart.pool), (got.test, apart.test)):
        assert np.array_equal(x, same)
        assert sorted(y.sum((1, 2, 3))) == sorted(other.sum((1, 2, 3)))
        assert not np.array_equal(y, other)
