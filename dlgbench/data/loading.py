"""`load("mnist5k")`: the arrays of a registered data set."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable
from pathlib import Path

from dlgbench.data.arrays import Arrays
from dlgbench.errors import DlgbenchError
from dlgbench.registry import DATA


def load(name: str) -> Arrays:
    """The arrays of a data set, checked; they are read once in a process.

    Raises:
        DlgbenchError: for an unknown name, a data set that can't be had, a corrupt file (named), or
            a function that fails or returns anything but sound `Arrays`.
    """
    part = DATA[name]
    try:
        return _read(part.make)
    except DlgbenchError as error:
        raise DlgbenchError(f"data set {name}: {error}") from None
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(part.source)]
        where = f"{part.source}, line {lines[-1]}" if lines else part.where
        came = f"{type(error).__name__}: {error}"
        raise DlgbenchError(f"data set {name} can't be read: {where}: {came}") from error


@functools.cache
def _read(loader: Callable[[], Arrays]) -> Arrays:
    arrays = loader()
    if not isinstance(arrays, Arrays):
        came = type(arrays).__name__
        raise DlgbenchError(f"expected its function to return dlgbench.Arrays, got {came}")
    return arrays


def data_root() -> Path:
    """The folder of the data sets that no package ships.

    It is what `--data-root` says, or DLGBENCH_DATA, or `~/.cache/dlgbench`.
    """
    return Path(os.environ.get("DLGBENCH_DATA") or "~/.cache/dlgbench").expanduser()
