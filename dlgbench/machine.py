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

from dlgbench.spool import held, unwritable


def _folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"dlgbench-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    return folder


def _gate(session: str) -> contextlib.AbstractContextManager[None]:
    """Everyone passes it, so that who waits for the machine is overtaken by nobody."""
    return held(_folder() / "gate.lock", "the machine", session)


@contextlib.contextmanager
def shared(session: str = "") -> Iterator[None]:
    """The machine beside others; waits while one has it alone, or waits for that.

    Who waits for another `session` for long says so.

    Raises:
        DlgbenchError: where the locks can't be made.
    """
    with contextlib.ExitStack() as stack:
        with _gate(session):
            name = f"user-{os.getpid()}-{threading.get_ident()}.lock"
            stack.enter_context(held(_folder() / name, "the machine", session))
        yield


@contextlib.contextmanager
def alone(session: str = "") -> Iterator[None]:
    """The whole machine; waits for all who have it.

    Raises:
        DlgbenchError: where the locks can't be made.
    """
    with _gate(session):
        for file in _folder().glob("user-*.lock"):
            with held(file, "the machine", session):
                pass
            file.unlink(missing_ok=True)  # none can have it again: each would have to pass the gate
        yield
