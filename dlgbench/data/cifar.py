"""CIFAR-10: real colour images to classify, by torchvision's reader.

Each file is checked against the MD5 that torchvision publishes for it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from dlgbench.data.arrays import SPLIT_SEED, Arrays
from dlgbench.data.files import expected, fetch_files
from dlgbench.data.photographs import to_lab
from dlgbench.registry import register_data


@register_data("cifar10", kind="labelled images")
def cifar10() -> Arrays:
    """CIFAR-10 (Krizhevsky 2009): x (N, 3, 32, 32) uint8, y in 0 ... 9.

    A pool of 50,000, the official test split of 10,000; torchvision's files.
    """
    from torchvision.datasets import CIFAR10

    meta = CIFAR10.meta["filename"], CIFAR10.meta["md5"]
    official = dict([*CIFAR10.train_list, *CIFAR10.test_list, meta])
    digests = expected(CIFAR10.base_folder, official)
    folder = fetch_files(
        CIFAR10.base_folder, digests, lambda draft: CIFAR10(str(draft), download=True)
    )
    pool, test = (_read_split(folder.parent, digests, train=train) for train in (True, False))
    return Arrays(pool, test, 10, hashlib.sha256("".join(digests.values()).encode()).hexdigest())


@register_data("cifar10_ab")
def cifar10_ab() -> Arrays:
    """CIFAR-10 to be coloured: x = L / 100, (N, 1, 32, 32), and y = (a, b) / 110, (N, 2, 32, 32).

    float32, as `photographs_ab`; the splits are those of `cifar10`.
    """
    images = cifar10()
    pool, test = (to_lab(x) for x, _ in (images.pool, images.test))
    return Arrays(pool, test, 2, images.digest)


@register_data("cifar10_ab_shuffled")
def cifar10_ab_shuffled() -> Arrays:
    """Control of `cifar10_ab`: each grey image has the colours of another one, drawn once.

    So x says nothing about y. Pool and test split are shuffled each for itself.
    """
    random, data = np.random.default_rng(SPLIT_SEED), cifar10_ab()
    pool, test = ((x, y[random.permutation(len(y))]) for x, y in (data.pool, data.test))
    return Arrays(pool, test, 2, f"{data.digest} shuffled")


def _read_split(
    root: Path, digests: dict[str, str], *, train: bool
) -> tuple[np.ndarray, np.ndarray]:
    from torchvision.datasets import CIFAR10

    class Reader(CIFAR10):
        train_list, test_list = (
            [[name, digests[name]] for name, _ in listed]
            for listed in (CIFAR10.train_list, CIFAR10.test_list)
        )
        meta = CIFAR10.meta | {"md5": digests[CIFAR10.meta["filename"]]}

    read = Reader(str(root), train=train)
    return np.ascontiguousarray(read.data.transpose(0, 3, 1, 2)), np.array(read.targets, np.int64)
