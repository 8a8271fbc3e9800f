"""Small data sets in the formats of the large ones, and networks that answer and that do not."""

import contextlib
import hashlib
import http.server
import pickle
import struct
import threading

import numpy as np
import pytest

from dlgbench.data import images


def idx(array):
    """MNIST's format: magic, sizes, bytes."""
    return (
        struct.pack(">HBB", 0, 8, array.ndim)
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Twelve training and four test images in the files of MNIST's family.

    Gives the arrays, the files' contents, and the folder of a data root of their own.
    """
    rng, arrays = np.random.default_rng(0), {}
    for part, count in (("train", 12), ("t10k", 4)):
        x = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        y = rng.integers(0, 10, count, dtype=np.uint8)
        arrays |= {f"{part}-images-idx3-ubyte": x, f"{part}-labels-idx1-ubyte": y}
    files = {name: idx(array) for name, array in arrays.items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for family in ("MNIST", "FASHION_MNIST"):
        monkeypatch.setattr(images, family, digests)
    monkeypatch.setattr(images, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path / "root"))
    return arrays, files, tmp_path


@pytest.fixture
def small_cifar(monkeypatch, tmp_path):
    """Five training batches of three images and a test batch of four in CIFAR-10's files.

    Gives x and y, the files' contents, and the folder of a data root of their own.
    """
    from torchvision.datasets import CIFAR10

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (19, 3, 32, 32), dtype=np.uint8), rng.integers(0, 10, 19)
    sizes = {f"data_batch_{k}": slice(3 * k - 3, 3 * k) for k in range(1, 6)}
    sizes["test_batch"] = slice(15, 19)
    batches = {
        name: {"data": x[rows].reshape(-1, 3072), "labels": y[rows].tolist()}
        for name, rows in sizes.items()
    }
    meta = {"batches.meta": {"label_names": list("abcdefghij")}}
    content = {name: pickle.dumps(batch, 2) for name, batch in (batches | meta).items()}
    sums = [[name, md5(content[name])] for name in batches]
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(content["batches.meta"])})
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path / "root"))
    return x, y, content, tmp_path


@pytest.fixture
def unplugged(monkeypatch):
    """No connection can be made."""

    def refuse(*_args, **_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("socket.create_connection", refuse)


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """An empty folder and its address on a server of this machine."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def copyfile(self, source, outputfile):
            # torchvision first asks whether there is a redirection, and hangs up.
            with contextlib.suppress(ConnectionError):
                super().copyfile(source, outputfile)

        def log_message(self, *_args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
