"""Queries that go directly to the tables of an MLflow store in SQLite.

They avoid mlflow, which takes a second to import and needs a call for each metric of each run.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlgbench.database import reading

EXPERIMENT = "mlflow.experiment"  # not a tag of MLflow's: the name of a run's experiment


class Tagged:
    """The runs of a store by the value of one tag.

    MLflow has no index of values, so a look-up would read the tag of all runs. Here only what was
    written since the last look-up is read.
    """

    def __init__(self, file: Path, key: str) -> None:
        self.file, self.key = file, key
        self._forget(None)

    def _forget(self, inode: int | None) -> None:
        self._inode, self._last, self._runs = inode, 0, dict[str, list[str]]()

    def _ids(self, connection: sqlite3.Connection, value: str) -> list[str]:
        """The runs that have the tag with this value, finished or not."""
        inode = self.file.stat().st_ino
        newest = connection.execute("SELECT max(rowid) FROM tags").fetchone()[0] or 0
        if inode != self._inode or newest < self._last:  # another file, or rows were deleted
            self._forget(inode)
        if newest > self._last:
            query = "SELECT value, run_uuid FROM tags WHERE rowid > ? AND +key = ?"
            for found, run in connection.execute(query, (self._last, self.key)):
                self._runs.setdefault(found, []).append(run)
            self._last = newest
        return self._runs.get(value, [])

    def exists(self, value: str) -> bool:
        """Whether any run has the tag with this value."""
        with reading(self.file) as connection:
            return bool(self._ids(connection, value))

    def finished(self, value: str, since: int = 0) -> list[tuple[str, dict[str, str]]]:
        """(id, tags) of each finished run that has the tag with this value.

        In the order in which they were written, since a clock may go back. Only of runs that ended
        at or after `since`, in ms.
        """
        query = """
            SELECT runs.rowid, tags.key, tags.value, experiments.name
            FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
            JOIN experiments ON experiments.experiment_id = runs.experiment_id
            WHERE runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED'
            AND runs.end_time >= ? AND runs.run_uuid = ?
        """
        with reading(self.file) as connection:
            found = []
            for run in dict.fromkeys(self._ids(connection, value)):
                rows = connection.execute(query, (since, run)).fetchall()
                tags = {name: text for _, name, text, _ in rows}
                tags |= {EXPERIMENT: rows[0][3]} if rows else {}
                if tags.get(self.key) == value:
                    found.append((rows[0][0], run, tags))
        found.sort(key=lambda entry: entry[0])
        return [(run, tags) for _, run, tags in found]


def experiments(file: Path) -> set[str]:
    """The names of the experiments."""
    query = "SELECT name FROM experiments WHERE lifecycle_stage = 'active'"
    with reading(file) as connection:
        return {name for (name,) in connection.execute(query)}


def tagged_runs(
    file: Path, experiment: str, wanted: Mapping[str, str]
) -> list[tuple[str, dict[str, str]]]:
    """(id, tags) of an experiment's finished runs with these tags, in the order of their writing.

    An experiment that does not exist has none.
    """
    query = """
        SELECT runs.run_uuid, tags.key, tags.value
        FROM experiments JOIN runs ON runs.experiment_id = experiments.experiment_id
        JOIN tags ON tags.run_uuid = runs.run_uuid
        WHERE experiments.name = ? AND runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED'
        ORDER BY runs.rowid
    """
    found: dict[str, dict[str, str]] = {}
    with reading(file) as connection:
        for run, key, text in connection.execute(query, (experiment,)):
            found.setdefault(run, {})[key] = text
    return [(run, tags) for run, tags in found.items() if wanted.items() <= tags.items()]


def histories(file: Path, runs: Sequence[str]) -> dict[str, list[tuple[str, int, float]]]:
    """(metric, step, value) of each run, by the run's id.

    The metrics are in alphabetical order, the values of each in the order in which they were
    logged.
    """
    query = """
        SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?
        ORDER BY key, timestamp, step
    """
    with reading(file) as connection:
        return {
            run: [
                (name, step, math.nan if is_nan else value)
                for name, step, value, is_nan in connection.execute(query, (run,))
            ]
            for run in runs
        }


def newest_end(file: Path) -> int:
    """The time at which the last run ended, by whatever clock, in ms; 0 without runs."""
    with reading(file) as connection:
        return connection.execute("SELECT max(end_time) FROM runs").fetchone()[0] or 0


def deleted_experiments(file: Path) -> dict[str, str]:
    """The names of the experiments that were deleted in MLflow, with their ids."""
    query = "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'deleted'"
    with reading(file) as connection:
        return {name: str(number) for name, number in connection.execute(query)}


def seconds(file: Path, device: str) -> dict[tuple[str, str, str], float]:
    """The mean wall time of a cell, in s, by (ablation, scale, arm), of the runs on a device."""
    query = """
        SELECT ablation.value, scale.value, arm.value, avg(CAST(wall.value AS REAL))
        FROM tags AS wall
        JOIN tags AS ablation USING (run_uuid) JOIN tags AS scale USING (run_uuid)
        JOIN tags AS arm USING (run_uuid) JOIN tags AS device USING (run_uuid)
        WHERE wall.key = 'dlgbench.wall' AND ablation.key = 'dlgbench.ablation'
        AND scale.key = 'dlgbench.scale' AND arm.key = 'dlgbench.arm'
        AND device.key = 'dlgbench.device' AND device.value = ?
        GROUP BY ablation.value, scale.value, arm.value
    """
    with reading(file) as connection:
        return {(a, s, arm): mean for a, s, arm, mean in connection.execute(query, (device,))}
