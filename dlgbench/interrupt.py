"""Ctrl-C stays a KeyboardInterrupt, also in code that runs Lightning; SIGTERM becomes one."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

KEPT = (
    "what is finished is stored, and the same command goes on from there; cells in training begin "
    "again, those that are trained together all of them"
)


def as_they_are() -> Callable[[], None]:
    """What gives SIGINT and SIGTERM the handlers back that they have now."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in handlers.items():
            with contextlib.suppress(ValueError, TypeError):  # another thread; not set from Python
                signal.signal(number, handler)

    return restore


def on_signal(number: int, call: Callable[[int, FrameType | None], Any]) -> None:
    """Lets a signal call something in this process, unless it is ignored.

    A process that is forked from this one, by a user's code, ends by the signal as any other does.
    """
    own = os.getpid()

    def handler(number: int, frame: FrameType | None) -> None:
        if os.getpid() == own:
            call(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    if signal.getsignal(number) != signal.SIG_IGN:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(number, handler)


def end_on_sigterm() -> None:
    """SIGTERM ends this process as Ctrl-C does: a cluster sends it when an allocation ends."""
    on_signal(signal.SIGTERM, signal.default_int_handler)


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
