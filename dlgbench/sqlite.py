"""What a SQLite store is asked directly, by MLflow's tables: mlflow takes a second to import, and has a call for each metric of each run."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path


def verdicts(file: Path, tag: str) -> list[dict[str, str]]:
    """The tags of each verdict run, oldest first, from the tables `runs` and `tags`; `tag` is what ours begin with. No store yet, no verdicts."""
    if not file.exists():
        return []
    query = """SELECT runs.run_uuid, tags.key, tags.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
               WHERE runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED' AND runs.run_uuid IN
                     (SELECT run_uuid FROM tags WHERE key = ? AND value = 'verdict') ORDER BY runs.end_time"""
    with _reading(file) as connection:
        tagged: dict[str, dict[str, str]] = {}
        for run, key, value in connection.execute(query, (f"{tag}kind",)):
            tagged.setdefault(run, {})[key] = value
    return list(tagged.values())


def has_tag(file: Path, key: str, value: str) -> bool:
    """Whether any run has the tag with this value."""
    with _reading(file) as connection:
        return connection.execute("SELECT 1 FROM tags WHERE key = ? AND value = ? LIMIT 1", (key, value)).fetchone() is not None


def histories(file: Path, runs: Sequence[str]) -> dict[str, list[tuple[str, int, float]]]:
    """(metric, step, value) of each run, by its id, in the order in which they were logged, from the table `metrics`."""
    query = "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, timestamp, step"
    with _reading(file) as connection:
        return {run: [(name, step, math.nan if is_nan else value) for name, step, value, is_nan in connection.execute(query, (run,))] for run in runs}


def _reading(file: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True))
