"""The spool: runs on the disk that wait to be sent to the store.

A run is written to the disk before it is sent, and leaves the spool when the store has it. So a
closed port, a full disk or a `kill -9` in between loses nothing: the next call sends what is left.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from dlgbench.errors import DlgbenchError


class RecordRefused(DlgbenchError):  # noqa: N818  (it says what happened)
    """The store is in reach, and does not take a record."""


class Spool:
    """The folder where the runs of one store wait, and the locks of this machine's workers.

    Args:
        folder: the folder for this store; it is made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._state = folder

    @functools.cached_property
    def folder(self) -> Path:
        """Where runs wait until the store has them."""
        return self._made("spool")

    @functools.cached_property
    def sent(self) -> Path:
        """Copies of the runs that the store has, for times when it is out of reach."""
        return self._made("sent")

    @functools.cached_property
    def locks(self) -> Path:
        """The lock files of this machine's workers."""
        return self._made("locks")

    def _made(self, name: str) -> Path:
        (self._state / name).mkdir(parents=True, exist_ok=True)
        return self._state / name

    def keep(self, record: Mapping[str, Any]) -> Path:
        """Writes a record to the disk, completely or not at all.

        Raises:
            OSError: for a disk that is full or can't be written.
        """
        ablation = record["cell"]["ablation"].replace("/", ".")
        file = self.folder / f"{ablation}-{record['fingerprint']}.json"
        draft = file.with_suffix(f".{os.getpid()}.draft")
        try:
            draft.write_text(json.dumps(record))
            draft.replace(file)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        return file

    def waiting(self) -> list[Path]:
        """The files of the runs that the store does not have yet."""
        return sorted(self.folder.glob("*.json"))

    def send(self, file: Path, push: Callable[[Mapping[str, Any]], None]) -> bool:
        """Passes a record to `push` once, even if several workers try; returns whether it did."""
        with FileLock(self.locks / f"{file.stem}.send.lock"):
            try:
                record = json.loads(file.read_text())
            except FileNotFoundError:
                return False  # another worker was quicker
            except ValueError:
                file.replace(file.with_suffix(".corrupt"))
                return False
            try:
                push(record)
            except RecordRefused:
                file.replace(file.with_suffix(".refused"))
                raise
            file.replace(self.sent / f"{record['fingerprint']}.json")
            return True

    def find_waiting(self, fingerprint: str, since: float) -> dict[str, Any] | None:
        """The waiting record of a fingerprint, if its run ended at or after `since`."""
        return self._first(self.folder.glob(f"*-{fingerprint}.json"), since)

    def find_sent(self, fingerprint: str, since: float) -> dict[str, Any] | None:
        """The sent record of a fingerprint, if its run ended at or after `since`."""
        return self._first([self.sent / f"{fingerprint}.json"], since)

    @staticmethod
    def _first(files: Iterable[Path], since: float) -> dict[str, Any] | None:
        for file in files:
            # a file that was sent meanwhile, or cut off by a full disk, is skipped
            with contextlib.suppress(OSError, ValueError):
                record: dict[str, Any] = json.loads(file.read_text())
                if record["ended"] >= since:
                    return record
        return None
