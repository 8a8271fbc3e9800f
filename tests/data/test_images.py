import gzip
import hashlib

import numpy as np
import pytest
from torchvision.datasets import MNIST

from dlgbench import DlgbenchError
from dlgbench.data import images, load


@pytest.mark.parametrize(
    ("name", "shape", "pool", "test", "classes"),
    [("mnist5k", (1, 28, 28), 3000, 2000, 10), ("digits", (1, 8, 8), 1200, 597, 10)],
)
def test_packaged_images(name, shape, pool, test, classes):
    arrays = load(name)
    assert arrays.pool[0].shape == (pool, *shape)
    assert arrays.test[0].shape == (test, *shape)
    assert arrays.pool[0].dtype == np.uint8
    assert arrays.pool[0].max() == 255
    labels = np.bincount(np.concatenate([arrays.pool[1], arrays.test[1]]), minlength=classes)
    assert labels.sum() == pool + test
    assert labels.min() > 0.9 * labels.mean()
    pictures = {x.tobytes() for x in arrays.test[0]}
    assert len(pictures) == test
    assert not pictures & {x.tobytes() for x in arrays.pool[0]}  # no test image in the pool


@pytest.mark.usefixtures("unplugged")
@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_mnists_family_from_torchvisions_files(small, name, folder):
    arrays, files, root = small
    raw = root / "root" / folder / "raw"
    raw.mkdir(parents=True)
    for file, content in files.items():
        (raw / file).write_bytes(content)
    got = getattr(images, name)()
    for part, (x, y) in (("train", got.pool), ("t10k", got.test)):
        assert np.array_equal(x[:, 0], arrays[f"{part}-images-idx3-ubyte"])
        assert np.array_equal(y, arrays[f"{part}-labels-idx1-ubyte"])
        assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    one_byte_changed = files["train-labels-idx1-ubyte"][:-1] + b"\x0b"
    (raw / "train-labels-idx1-ubyte").write_bytes(one_byte_changed)
    corrupt = rf"{folder}/raw/train-labels-idx1-ubyte is corrupt: SHA-256 expected .* got "
    with pytest.raises(DlgbenchError, match=corrupt):
        getattr(images, name)()


def test_fashion_mnist_from_debians_files(small):
    arrays, packed, folder = small
    (folder / "debian").mkdir()
    for name, content in packed.items():
        (folder / "debian" / f"{name}.gz").write_bytes(gzip.compress(content))
    assert np.array_equal(images.fashion_mnist().test[0][:, 0], arrays["t10k-images-idx3-ubyte"])
    for file in (folder / "root" / "FashionMNIST" / "raw").glob("*-ubyte"):
        file.unlink()
    (folder / "debian" / "t10k-images-idx3-ubyte.gz").write_bytes(b"junk")
    with pytest.raises(DlgbenchError, match=r"debian/t10k-images-idx3-ubyte.gz is corrupt"):
        images.fashion_mnist()


def test_torchvision_downloads_mnist_once(small, mirror, monkeypatch, capfd):
    arrays, files, root = small
    folder, address = mirror
    packed = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    for name, content in packed.items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(MNIST, "mirrors", [address])
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(MNIST, "resources", resources)
    assert np.array_equal(images.mnist().test[0][:, 0], arrays["t10k-images-idx3-ubyte"])
    assert "100%" in capfd.readouterr().err  # the progress bar
    raw = root / "root" / "MNIST" / "raw"
    assert {path.name for path in raw.iterdir()} == set(files)
    assert sorted(path.name for path in (root / "root").iterdir()) == [".MNIST.lock", "MNIST"]
    for name in packed:
        (folder / name).write_bytes(b"junk")
    assert images.mnist().num_classes == 10
    (raw / "t10k-labels-idx1-ubyte").unlink()
    failed = r"its files can't be had, the download failed: .*File not found or corrupted"
    with pytest.raises(DlgbenchError, match=failed):
        images.mnist()
    assert not (raw / "t10k-labels-idx1-ubyte").exists()


@pytest.mark.skipif(
    not images.DEBIAN.exists(), reason="Debian's dataset-fashion-mnist is not installed"
)
def test_the_real_fashion_mnist(monkeypatch, tmp_path):
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path))
    arrays = images.fashion_mnist()
    assert arrays.pool[0].shape == (60_000, 1, 28, 28)
    assert arrays.test[0].shape == (10_000, 1, 28, 28)
    assert np.bincount(arrays.pool[1]).tolist() == [6000] * 10
