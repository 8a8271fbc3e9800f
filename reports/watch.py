"""What a user sees while a page is made: a bar in a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

T = TypeVar("T")
EVERY = 10.0  # seconds between two lines, where there is no terminal


class Watch:
    """Counts what is done, on stderr.

    It starts no thread: processes are forked meanwhile.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def over(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        """The items, counted as they come: `ablations read 12/45`."""
        if total == 0:
            yield from items
        elif self.console.is_terminal:
            yield from self._bar(items, what, total)
        else:
            yield from self._lines(items, what, total)

    def _bar(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(
            *columns,
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as progress:
            task = progress.add_task(what, total=total)
            progress.refresh()
            for item in items:
                yield item
                progress.advance(task)
                progress.refresh()

    def _lines(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        start = last = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            if time.monotonic() - last > EVERY or (done == total and last > start):
                last = time.monotonic()
                self.console.print(f"{what} {done} of {total}", highlight=False)
