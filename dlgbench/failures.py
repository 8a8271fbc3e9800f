"""A cell that failed: whose exception it was, and how it is told."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from dlgbench.ablation import Cell
from dlgbench.errors import DlgbenchError

PACKAGE = Path(__file__).parent
# what a GPU says beside torch's own: as its context is made, and in a library's workspace
NO_MEMORY = re.compile(r"(CUDA|HIP) error: out of memory|(BLAS|DNN)_STATUS_ALLOC_FAILED")


class CellFailed(DlgbenchError):  # noqa: N818  (a state of a cell, which reads better so)
    """A cell raised an exception, in this process or in another one of this session.

    Attributes:
        cell: the cell.
        text: the traceback, from the first line of code outside dlgbench; or the message of a
            `DlgbenchError`.
        own: the exception itself, with that traceback; None for a `DlgbenchError`, and for an
            exception in another process.
    """

    def __init__(self, cell: Cell, text: str, own: Exception | None = None) -> None:
        last = text.strip().splitlines()[-1]
        super().__init__(f"cell {cell.id} failed: {last}; its own test tells where")
        self.cell, self.text, self.own = cell, text, own


def text_of(error: BaseException) -> str:
    """The message of a `DlgbenchError`; else the traceback from the user's first line."""
    if isinstance(error, DlgbenchError):
        return str(error)
    return "".join(traceback.format_exception(from_foreign_code(error)))


def from_foreign_code(error: BaseException) -> BaseException:
    """The exception with its traceback from the first line of code outside dlgbench, if any."""
    entry = error.__traceback__
    while entry is not None and PACKAGE in Path(entry.tb_frame.f_code.co_filename).parents:
        entry = entry.tb_next
    return error.with_traceback(entry or error.__traceback__)


def named(cells: Sequence[Cell]) -> str:
    """How cells that train together are named."""
    return f"cell {cells[0].id}" + (f" and {len(cells) - 1} with it" if len(cells) > 1 else "")


class WholeGpu(DlgbenchError):  # noqa: N818  (the same)
    """A GPU's memory ran out for cells that had it to themselves; several go on alone."""

    def __init__(self, cells: Sequence[Cell], reason: str) -> None:
        wanted = "expected a GPU with more memory, or a smaller batch_size"
        end = "each is trained alone" if len(cells) > 1 else wanted
        super().__init__(f"{named(cells)}: out of memory with the whole GPU: {reason}; {end}")


def out_of_memory(error: BaseException) -> str:
    """Why, where a GPU's memory ran out, else empty; it frees what torch keeps of it."""
    if "torch" not in sys.modules:
        return ""
    import torch

    of_library = isinstance(error, RuntimeError) and NO_MEMORY.search(str(error))
    if not (isinstance(error, torch.OutOfMemoryError) or of_library):
        return ""
    error.__traceback__ = None  # its frames hold the tensors
    torch.cuda.empty_cache()
    return str(error).partition("\n")[0].partition(". ")[0]
