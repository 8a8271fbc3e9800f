"""Small files of noise in the formats of the data sets that are downloaded, for a rehearsal.

They never pass for data: their checksums are not those of the data sets, and only a process that
calls `use` expects theirs instead.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
from pathlib import Path

import numpy as np

from dlgbench.data import files

# canvases with two garments each: 6,000 are made of Fashion-MNIST's pool, 2,000 of its test split
IDX = {"MNIST/raw": (300, 100), "FashionMNIST/raw": (12_000, 4000)}  # images for pool and test
CIFAR, BATCH = "cifar-10-batches-py", 100


def make(root: Path) -> None:
    """Writes the files into a data root: MNIST, Fashion-MNIST and CIFAR-10."""
    random = np.random.default_rng(0)
    for folder, sizes in IDX.items():
        place = root / folder
        place.mkdir(parents=True)
        for part, size in zip(("train", "t10k"), sizes, strict=True):
            images = random.integers(0, 256, (size, 28, 28), dtype=np.uint8)
            labels = random.integers(0, 10, size, dtype=np.uint8)
            (place / f"{part}-images-idx3-ubyte").write_bytes(_idx(images))
            (place / f"{part}-labels-idx1-ubyte").write_bytes(_idx(labels))
    place = root / CIFAR
    place.mkdir(parents=True)
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        images = random.integers(0, 256, (BATCH, 3 * 32 * 32), dtype=np.uint8)
        labels = random.integers(0, 10, BATCH).tolist()
        (place / name).write_bytes(pickle.dumps({"data": images, "labels": labels}, 2))
    names = {"label_names": [f"class {k}" for k in range(10)]}
    (place / "batches.meta").write_bytes(pickle.dumps(names, 2))


def _idx(array: np.ndarray) -> bytes:
    """MNIST's format: bytes and the number of axes, their sizes, the numbers."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.tobytes()


def use(root: Path) -> None:
    """From now on this process reads the files that `make` has written, instead of the data."""
    os.environ["DLGBENCH_DATA"] = str(root)
    for folder in (*IDX, CIFAR):
        content = {file.name: file.read_bytes() for file in (root / folder).iterdir()}
        files.EXPECTED[folder] = {
            name: hashlib.md5(each, usedforsecurity=False).hexdigest()
            for name, each in content.items()
        }
