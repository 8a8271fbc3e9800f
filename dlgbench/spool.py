"""The spool: runs on the disk that wait to be sent to the store.

A run is written to the disk before it is sent, and leaves the spool when the store has it. So a
closed port, a full disk or a `kill -9` in between loses nothing: the next call sends what is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from dlgbench.errors import DlgbenchError
from dlgbench.records import is_record

PATIENCE = 10.0  # seconds after which who waits for a lock says so


def say(text: str) -> None:
    """Tells the user something at once, on stderr; the pytest plugin passes it by its capture."""
    print(f"dlgbench: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def held(file: Path, what: str = "", session: str = "") -> Iterator[None]:
    """A lock of this machine's processes; who waits for it for long says for whom.

    Args:
        file: the lock's file; beside it lies, while the lock is held, who holds it.
        what: what one has who has the lock, for the message.
        session: of this process: who waits for another process of it says nothing.

    Raises:
        DlgbenchError: where its file can't be made.
    """
    lock, holder = FileLock(file), file.with_suffix(".held")
    try:
        try:
            lock.acquire(PATIENCE)
        except Timeout:
            process, of = _read(holder)
            if not session or of != session:
                say(f"waiting for {process}, busy or stopped, that has {what or file}")
            lock.acquire(-1)
    except OSError as error:
        raise unwritable(file.parent, error) from None
    with contextlib.suppress(OSError):
        holder.write_text(f"{os.getpid()} {session}")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _read(holder: Path) -> tuple[str, str]:
    """The process that holds a lock, and its session."""
    with contextlib.suppress(OSError, ValueError):
        process, session = holder.read_text().split(" ")
        return f"process {process}", session
    return "another process", ""


class RecordRefused(DlgbenchError):  # noqa: N818  (it says what happened)
    """The store is in reach, and does not take a record."""


class NotARecord(DlgbenchError):  # noqa: N818  (the same)
    """A file in the spool is no run, and was set aside."""


class RunLost(DlgbenchError):  # noqa: N818  (the same)
    """A run could be kept nowhere."""


class Spool:
    """The folder where the runs of one store wait, and the locks of this machine's workers.

    Its folders are made whenever they are missing: someone may remove them in mid-session.

    Args:
        folder: the folder for this store; it is made where it is missing.
        locks: where the locks are, of all who use the store; None for `folder`.
    """

    def __init__(self, folder: Path, locks: Path | None = None) -> None:
        self._state, self._locks = folder, locks or folder

    @property
    def folder(self) -> Path:
        """Where runs wait until the store has them."""
        return self._made("spool")

    @property
    def sent(self) -> Path:
        """Copies of the runs that the store has, for times when it is out of reach."""
        return self._made("sent")

    @property
    def locks(self) -> Path:
        """The lock files of this machine's workers."""
        return self._made("locks", self._locks)

    def _made(self, name: str, state: Path | None = None) -> Path:
        folder = (state or self._state) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from None
        return folder

    def lock(self, name: str, timeout: float) -> BaseFileLock:
        """A lock of this machine's workers, which is not acquired yet; `timeout` in s.

        Raises:
            DlgbenchError: where its file can't be made.
        """
        file = self.locks / f"{name}.lock"
        try:
            file.touch()
        except OSError as error:
            raise unwritable(self.locks, error) from None
        return FileLock(file, timeout=timeout)

    def held(self, name: str) -> contextlib.AbstractContextManager[None]:
        """The lock `name` of this machine's workers, as `held` has it."""
        return held(self.locks / f"{name}.lock")

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

    def send(self, file: Path, push: Callable[[Mapping[str, Any]], object]) -> bool:
        """Passes a record to `push` once, even if several workers try; returns whether it did.

        A copy is kept of what the store takes: of all for which `push` does not return False.

        Raises:
            NotARecord: for a file that is no run; it is set aside.
            RecordRefused: where the store does not take it; it is set aside.
            DlgbenchError: where the store is out of reach; the file stays.
        """
        with self.held(f"{file.stem}.send"):
            if not os.path.lexists(file):
                return False  # another worker was quicker
            try:
                record = json.loads(file.read_text()) if file.is_file() else None
            except ValueError:
                record = None
            except OSError as error:
                raise DlgbenchError(f"{file} can't be read: {error}") from None
            if not is_record(record):
                aside = _moved(file, file.with_suffix(".corrupt"))
                raise NotARecord(f"{file} is no run, and was set aside as {aside.name}")
            try:
                is_dropped = push(record) is False
            except RecordRefused:
                _moved(file, file.with_suffix(".refused"))
                raise
            if is_dropped:
                file.unlink()
            else:
                _moved(file, self.sent / f"{record['fingerprint']}.json")
            return True

    def restore(self) -> int:
        """Lets all runs that were sent wait again, for a store that is gone; how many there are."""
        restored = 0
        for file in self.sent.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                self.keep(json.loads(file.read_text()))
                restored += 1
                file.unlink()
        return restored

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
                record = json.loads(file.read_text())
                if is_record(record) and record["ended"] >= since:
                    return dict(record)
        return None


def _moved(file: Path, to: Path) -> Path:
    """Renames a file, to a longer name where a folder is in its way; returns the new name."""
    while to.is_dir() or (file.is_dir() and to.exists()):
        to = to.with_name(f"{to.name}.1")
    try:
        return file.replace(to)
    except OSError as error:
        raise unwritable(to.parent, error) from None


def unwritable(folder: Path, error: OSError) -> DlgbenchError:
    """The error for a folder in which a file can't be made."""
    return DlgbenchError(f"expected a folder that can be written at {folder}, got: {error}")
