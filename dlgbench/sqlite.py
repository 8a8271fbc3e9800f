"""Queries that go directly to the tables of an MLflow store in SQLite.

They avoid mlflow, which takes a second to import and needs a call for each metric of each run.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path


def tagged(file: Path, key: str, value: str, since: int = 0) -> list[tuple[str, dict[str, str]]]:
    """(id, tags) of each finished run that has the tag with this value, the oldest first.

    Only of runs that ended at or after `since`, in ms.
    """
    query = """
        SELECT runs.run_uuid, tags.key, tags.value
        FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
        WHERE runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED' AND runs.end_time >= ?
        AND runs.run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)
        ORDER BY runs.end_time
    """
    with _reading(file) as connection:
        runs: dict[str, dict[str, str]] = {}
        for run, name, text in connection.execute(query, (since, key, value)):
            runs.setdefault(run, {})[name] = text
    return list(runs.items())


def has_tag(file: Path, key: str, value: str) -> bool:
    """Whether any run has the tag with this value."""
    query = "SELECT 1 FROM tags WHERE key = ? AND value = ? LIMIT 1"
    with _reading(file) as connection:
        return connection.execute(query, (key, value)).fetchone() is not None


def histories(file: Path, runs: Sequence[str]) -> dict[str, list[tuple[str, int, float]]]:
    """(metric, step, value) of each run, by the run's id.

    The metrics are in alphabetical order, the values of each in the order in which they were
    logged.
    """
    query = """
        SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?
        ORDER BY key, timestamp, step
    """
    with _reading(file) as connection:
        return {
            run: [
                (name, step, math.nan if is_nan else value)
                for name, step, value, is_nan in connection.execute(query, (run,))
            ]
            for run in runs
        }


def _reading(file: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True))
