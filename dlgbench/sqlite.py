"""What a SQLite store is asked directly, by MLflow's tables: mlflow takes a second to import, and has a call for each metric of each run."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path


def tagged(file: Path, key: str, value: str, since: int = 0) -> list[tuple[str, dict[str, str]]]:
    """(id, tags) of each finished run that has the tag with this value and ended at or after `since`, in ms; the oldest first."""
    query = """SELECT runs.run_uuid, tags.key, tags.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
               WHERE runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED' AND runs.end_time >= ? AND runs.run_uuid IN
                     (SELECT run_uuid FROM tags WHERE key = ? AND value = ?) ORDER BY runs.end_time"""
    with _reading(file) as connection:
        found: dict[str, dict[str, str]] = {}
        for run, name, text in connection.execute(query, (since, key, value)):
            found.setdefault(run, {})[name] = text
    return list(found.items())


def has_tag(file: Path, key: str, value: str) -> bool:
    """Whether any run has the tag with this value."""
    with _reading(file) as connection:
        return (
            connection.execute(
                "SELECT 1 FROM tags WHERE key = ? AND value = ? LIMIT 1", (key, value)
            ).fetchone()
            is not None
        )


def histories(file: Path, runs: Sequence[str]) -> dict[str, list[tuple[str, int, float]]]:
    """(metric, step, value) of each run, by its id, in the order in which they were logged, from the table `metrics`."""
    query = "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, timestamp, step"
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
