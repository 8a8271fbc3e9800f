"""The SQLite file of a store: where it is, and that it is whole before anyone uses it.

MLflow migrates a file in place, table by table, and can't go on after a kill in between. So a fresh
one is migrated as a draft beside it, and renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from dlgbench import spool
from dlgbench.errors import DlgbenchError

PREFIX = "sqlite:///"
AT_FIRST = {"alembic_version", "workspaces"}  # the tables to which a first migration adds rows
QUIET = 10.0  # seconds after which nobody migrates a file that does not change
SPECIAL = "%?"  # what an SQLAlchemy URL gives a meaning, in a path


def path_of(uri: str) -> Path | None:
    """The resolved file of a SQLite URI, with or without a driver, or None for another store.

    Raises:
        DlgbenchError: for a store in memory, and for a folder.
    """
    uri = re.sub(r"^sqlite\+\w+:", "sqlite:", uri)
    if not uri.startswith("sqlite:"):
        return None
    name = uri.removeprefix(PREFIX)
    if not uri.startswith(PREFIX) or not name or ":memory:" in name:
        raise DlgbenchError(
            f"tracking store {uri}: expected a file, {PREFIX}PATH, got a database in memory, which "
            "keeps nothing"
        )
    file = Path(name)
    if "%" in name and not file.parent.is_dir() and Path(unquote(name)).parent.is_dir():
        file = Path(unquote(name))
    if file.is_dir():
        raise DlgbenchError(f"tracking store {uri}: expected a file, got a folder")
    return file.resolve()


def uri_of(file: Path) -> str:
    """The URI by which MLflow finds a file, whatever characters its path has."""
    path = str(file)
    return PREFIX + (quote(path) if set(SPECIAL) & set(path) else path)


def tidy(file: Path) -> None:
    """Removes the empty folders that MLflow makes of a quoted path."""
    path = quote(str(file.parent))
    if path != str(file.parent) and set(SPECIAL) & set(str(file)):
        with contextlib.suppress(OSError):
            os.removedirs(path)


def is_missing(file: Path) -> bool:
    """Whether there is no store yet, or nothing is left of it."""
    return not file.exists() or file.stat().st_size == 0


def is_store(file: Path) -> bool:
    """Whether there is a store that can be read, as far as can be told without mlflow.

    Raises:
        DlgbenchError: for a file that is no store.
    """
    if is_missing(file):
        return False
    if {"experiments", "runs", "tags"} <= set(_look(file)[1]):
        return True
    _state(file)
    return False


def prepare(file: Path, artifacts: str) -> str:
    """Makes a fresh store, whole or not at all; sets aside what a kill left half migrated.

    It takes about three seconds once. Who comes meanwhile waits.

    Args:
        file: the file.
        artifacts: where MLflow's default experiment keeps its artifacts.

    Returns:
        What the user must know; empty for nothing.

    Raises:
        DlgbenchError: for a file that is no store of this version of MLflow.
        OSError: where the folder can't be written.
    """
    if _state(file) == "ready":
        return ""
    file.parent.mkdir(parents=True, exist_ok=True)
    with spool.held(file.with_name(f"{file.name}.lock"), f"the new store {file}"):
        state, notice = _state(file), ""
        if state == "half" and _is_in_flux(file):
            spool.say(f"waiting until another process has migrated {file}, or has stopped")
            while state == "half" and _is_in_flux(file):
                time.sleep(0.5)
                state = _state(file)
        if state == "ready":
            return ""
        if state == "half":
            aside = file.with_name(f"{file.name}.half-migrated-{int(time.time())}")
            file.replace(aside)
            for rest in file.parent.glob(f"{file.name}-*"):  # its journal
                rest.replace(aside.with_name(rest.name.replace(file.name, aside.name)))
            notice = f"{file} was half migrated and empty: set aside as {aside.name}"
        _make(file, artifacts)
        return notice


def _make(file: Path, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for old in file.parent.glob(f"{file.name}.*.draft*"):
        old.unlink(missing_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}.draft")
    store = SqlAlchemyStore(uri_of(draft), artifacts)
    store.engine.dispose()
    tidy(draft)
    draft.replace(file)


def _is_in_flux(file: Path) -> bool:
    """Whether a file has just changed: another process, such as MLflow's, may be migrating it."""
    return abs(time.time() - file.stat().st_mtime) < QUIET


def _state(file: Path) -> str:
    """`fresh`, `half` or `ready`.

    Raises:
        DlgbenchError: for a file that is none of these.
    """
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    if is_missing(file):
        return "fresh"
    version, tables = _look(file)
    if not tables:
        return "fresh"
    scripts = ScriptDirectory.from_config(_get_alembic_config(""))
    expected = scripts.get_current_head()
    if version == expected:
        return "ready"
    if not _is_mlflows(set(tables)):
        raise DlgbenchError(
            f"tracking store {file}: expected an MLflow store, got a database of something else; "
            "name another with --tracking-uri"
        )
    if not any(has_rows for name, has_rows in tables.items() if name not in AT_FIRST):
        return "half"
    older = version is None or version in {script.revision for script in scripts.walk_revisions()}
    upgrade = f"Copy the file, then `mlflow db upgrade {shlex.quote(uri_of(file))}`"
    which, way_out = ("an older", upgrade) if older else ("a newer", "Upgrade mlflow")
    raise DlgbenchError(
        f"tracking store {file} was made by {which} version of MLflow: expected its schema "
        f"{expected}, got {version}. {way_out}; or name another store with --tracking-uri"
    )


def _look(file: Path) -> tuple[str | None, dict[str, bool]]:
    """The schema's version; and the tables, each with whether it has rows."""
    try:
        with reading(file) as connection:
            select = "SELECT name FROM sqlite_master WHERE type = 'table'"
            names = [name for (name,) in connection.execute(select)]
            first = 'SELECT * FROM "{}" LIMIT 1'
            rows = {name: connection.execute(first.format(name)).fetchone() for name in names}
            version = rows.get("alembic_version")
            return version and version[0], {name: row is not None for name, row in rows.items()}
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise damaged(file, error) from None


def damaged(file: Path, reason: object) -> DlgbenchError:
    """The error for a file that SQLite can't read."""
    return DlgbenchError(
        f"tracking store {file}: expected a SQLite database, got a damaged file or something else "
        f"({reason}); move it away, and a new one gets the runs of which copies are kept; or name "
        "another with --tracking-uri"
    )


def _is_mlflows(tables: set[str]) -> bool:
    from mlflow.store.db.base_sql_model import Base

    known = {*Base.metadata.tables, "alembic_version"}
    own = {name for name in tables if not name.startswith(("_alembic_tmp_", "sqlite_"))}
    return len(own - known) <= len(own & known)


@contextlib.contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads; it first finishes what a killed process left in the journal."""
    address = file.resolve().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True)
    try:
        try:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
            with contextlib.closing(sqlite3.connect(f"{address}?mode=rw", uri=True)) as recovering:
                recovering.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        yield connection
    finally:
        connection.close()
