"""A cell that failed: whose exception it was, and how it is told."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from dlgbench.ablation import Cell
from dlgbench.errors import DlgbenchError

PACKAGE = Path(__file__).parent


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


def out_of_memory(error: BaseException) -> str:
    """Why, where a GPU's memory ran out, else empty; it frees what torch keeps of it."""
    if "torch" not in sys.modules or "out of memory" not in str(error):
        return ""
    import torch

    if not isinstance(error, torch.OutOfMemoryError):
        return ""
    error.__traceback__ = None  # its frames hold the tensors
    torch.cuda.empty_cache()
    return str(error).partition(". ")[0]


def whole_gpu(cell: Cell, reason: str) -> DlgbenchError:
    """The error for a cell that has a GPU to itself, and not memory enough."""
    return DlgbenchError(
        f"cell {cell.id}: out of memory with the whole GPU: {reason}; expected a GPU with more "
        "memory, or a smaller batch_size"
    )
