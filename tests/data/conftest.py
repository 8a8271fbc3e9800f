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
    """Twelve training and four test images in the files of MNIST's family, their checksums, and a data root of one's own."""
    rng = np.random.default_rng(0)
    arrays = {f"{part}-{what}": rng.integers(0, 256 if d else 10, (n, *((28, 28) if d else ())), dtype=np.uint8)
              for part, n in (("train", 12), ("t10k", 4)) for what, d in (("images-idx3-ubyte", 2), ("labels-idx1-ubyte", 0))}  # fmt: skip
    files = {name: idx(array) for name, array in arrays.items()}
    for family in ("MNIST", "FASHION_MNIST"):
        monkeypatch.setattr(
            images,
            family,
            {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        )
    monkeypatch.setattr(images, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path / "root"))
    return arrays, files, tmp_path


@pytest.fixture
def small_cifar(monkeypatch, tmp_path):
    """Five training batches of three images and a test batch of four in CIFAR-10's files, their checksums, and a data root of one's own."""
    from torchvision.datasets import CIFAR10

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (19, 3, 32, 32), dtype=np.uint8), rng.integers(0, 10, 19)
    sizes = {f"data_batch_{k}": slice(3 * k - 3, 3 * k) for k in range(1, 6)} | {
        "test_batch": slice(15, 19)
    }
    batches = {
        name: {"data": x[rows].reshape(-1, 3072), "labels": y[rows].tolist()}
        for name, rows in sizes.items()
    }
    content = {
        name: pickle.dumps(batch, protocol=2)
        for name, batch in (batches | {"batches.meta": {"label_names": list("abcdefghij")}}).items()
    }
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
            with contextlib.suppress(
                ConnectionError
            ):  # torchvision asks for a redirection first, and hangs up
                super().copyfile(source, outputfile)

        def log_message(self, *_args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
