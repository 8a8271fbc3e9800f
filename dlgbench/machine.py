"""Who has the machine: many cells at once, or one alone whose time is measured.

The kernel frees a lock when its process ends, however it ends. The locks are those of one user.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


def _folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"dlgbench-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _gate() -> FileLock:
    """Everyone passes it, so that who waits for the machine is overtaken by nobody."""
    return FileLock(_folder() / "gate.lock")


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """The machine beside others; waits while one has it alone, or waits for that."""
    with contextlib.ExitStack() as stack:
        with _gate():
            name = f"user-{os.getpid()}-{threading.get_ident()}.lock"
            stack.enter_context(FileLock(_folder() / name))
        yield


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """The whole machine; waits for all who have it."""
    with _gate():
        for file in _folder().glob("user-*.lock"):
            with FileLock(file):
                pass
            file.unlink(missing_ok=True)  # none can have it again: each would have to pass the gate
        yield
