"""Ctrl-C stays a KeyboardInterrupt, also in code that runs Lightning; SIGTERM becomes one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import Any

KEPT = (
    "what is finished is stored, and the same command goes on from there; cells in training begin "
    "again, those that are trained together all of them"
)


def as_they_are() -> Callable[[], None]:
    """What gives SIGINT and SIGTERM the handlers back that they have now."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        with contextlib.suppress(ValueError, TypeError):  # another thread; not set from Python
            for number, handler in handlers.items():
                signal.signal(number, handler)

    return restore


def end_on_sigterm() -> None:
    """SIGTERM ends this process as Ctrl-C does: a cluster sends it when an allocation ends."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def interruptible(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function in which Lightning may turn Ctrl-C into SystemExit and ignore SIGINT.

    Here Ctrl-C stays a KeyboardInterrupt, and SIGINT keeps its handler.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        return call(*args, **kwargs)
    except SystemExit as end:
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise  # not Lightning's: the code itself wants to end
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None
