"""The SQLite file of a store: where it is, and that it is whole before anyone uses it.

MLflow migrates a file in place, table by table, and can't go on after a kill in between. So a fresh
one is migrated as a draft beside it, and renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from dlgbench.errors import DlgbenchError
from dlgbench.spool import held

PREFIX = "sqlite:///"
SPECIAL = "%?"  # what an SQLAlchemy URL gives a meaning, in a path


def path_of(uri: str) -> Path | None:
    """The resolved file of a SQLite URI, or None for another store.

    Raises:
        DlgbenchError: for a store in memory, and for a folder.
    """
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
    with held(file.with_name(f"{file.name}.lock"), f"the new store {file}"):
        state, notice = _state(file), ""
        if state == "ready":
            return ""
        if state == "half":
            aside = file.with_name(f"{file.name}.half-migrated-{int(time.time())}")
            file.replace(aside)
            for rest in file.parent.glob(f"{file.name}-*"):  # its journal
                rest.replace(aside.with_name(rest.name.replace(file.name, aside.name)))
            notice = f"{file} was half migrated and without runs: set aside as {aside.name}"
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


def _state(file: Path) -> str:
    """`fresh`, `half` or `ready`.

    Raises:
        DlgbenchError: for a file that is none of these.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    if is_missing(file):
        return "fresh"
    version, tables, rows = _look(file)
    if not tables:
        return "fresh"
    expected = _get_latest_schema_revision()
    if version == expected:
        return "ready"
    if not _is_mlflows(tables):
        raise DlgbenchError(
            f"tracking store {file}: expected an MLflow store, got a database of something else; "
            "name another with --tracking-uri"
        )
    if not rows:
        return "half"
    raise DlgbenchError(
        f"tracking store {file} was made by another version of MLflow: expected its schema "
        f"{expected}, got {version}. Copy the file, then `mlflow db upgrade {uri_of(file)}` (of "
        "the newer version); or name another store with --tracking-uri"
    )


def _look(file: Path) -> tuple[str | None, set[str], int]:
    """The schema's version, the tables, and the number of runs."""
    try:
        with reading(file) as connection:
            select = "SELECT name FROM sqlite_master WHERE type = 'table'"
            tables = {name for (name,) in connection.execute(select)}
            version = None
            if "alembic_version" in tables:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                version = row[0] if row else None
            rows = 0
            if "runs" in tables:
                rows = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
            return version, tables, rows
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise DlgbenchError(
            f"tracking store {file}: expected a SQLite database, got a damaged file or something "
            f"else ({error}); move it away, or name another with --tracking-uri"
        ) from None


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
