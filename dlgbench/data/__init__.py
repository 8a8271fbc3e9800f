"""Data sets by name: `load("mnist5k")` gives arrays, `DataModule(recipe, seed)` the splits on a device.

A data set is a function that returns `Arrays`, registered with `register_data`. Its test split is fixed; training and validation
splits are drawn anew from its pool by each seed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from dlgbench.data.arrays import Arrays
from dlgbench.errors import DlgbenchError, unknown

LOADERS: dict[str, Callable[[], Arrays]] = {}


def register_data(name: str) -> Callable[[Callable[[], Arrays]], Callable[[], Arrays]]:
    """Registers a function that returns `Arrays` as the data set `name`.

    Raises:
        DlgbenchError: where the name is taken.
    """

    def register(loader: Callable[[], Arrays]) -> Callable[[], Arrays]:
        if name in LOADERS:
            raise DlgbenchError(
                f"data set {name!r} is registered twice: by {LOADERS[name].__module__} and by {loader.__module__}"
            )
        LOADERS[name] = loader
        return loader

    return register


@functools.cache
def load(name: str) -> Arrays:
    """The arrays of a data set, checked; read once in a process.

    Raises:
        DlgbenchError: for an unknown name, a data set that can't be had, or a corrupt file (named).
    """
    if name not in LOADERS:
        raise unknown("data set", name, LOADERS)
    return LOADERS[name]()


def data_root() -> Path:
    """Where data sets lie that come with no package: `--data-root`, `DLGBENCH_DATA`, or `~/.cache/dlgbench`."""
    return Path(os.environ.get("DLGBENCH_DATA") or "~/.cache/dlgbench").expanduser()


from dlgbench.data import canvases, cifar, images, photographs, polynomial, strokes, toys  # noqa: E402, F401  (they register themselves)
