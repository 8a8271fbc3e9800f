"""The store of runs and verdicts: which of them count, and how they are written once."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dlgbench import database, sqlite
from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.connection import Connection
from dlgbench.errors import DlgbenchError
from dlgbench.provenance import provenance
from dlgbench.records import (
    COLUMNS,
    SUMMARY,
    TAG,
    from_record,
    from_tags,
    packed_arrays,
    setting_of,
    times,
    to_frame,
    to_record,
    to_tags,
)
from dlgbench.scale import SCALES
from dlgbench.spool import NotARecord, RecordRefused, RunLost

__all__ = ["COLUMNS", "SUMMARY", "TAG", "Store", "find_uri", "to_frame"]


def find_uri(root: Path, uri: str | None = None) -> str:
    """The tracking URI: `uri`, else `MLFLOW_TRACKING_URI`, else `sqlite:///<root>/mlflow.db`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"


class Store(Connection):
    """Runs and verdicts in an MLflow tracking store, one experiment per ablation."""

    def __init__(self, uri: str, root: Path) -> None:
        super().__init__(uri, root)
        self._tagged_by: dict[str, sqlite.Tagged] = {}

    def _tags(self, name: str) -> sqlite.Tagged:
        """The runs of a SQLite store by one of our tags."""
        assert self._file is not None
        if name not in self._tagged_by:
            self._tagged_by[name] = sqlite.Tagged(self._file, f"{TAG}{name}")
        return self._tagged_by[name]

    def _lacks(self, fingerprint: str) -> bool:
        """Whether it is certain that no run has the fingerprint: an open SQLite store can tell."""
        if self._opened is None or self._file is None or not self._file.exists():
            return False
        return not self._tags("fingerprint").exists(fingerprint)

    def newest_end(self) -> float:
        """When the last run ended, by whatever clock, in s; 0 where there is none.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        with self._reaching():
            if self._file:
                return sqlite.newest_end(self._file) / 1000 if self._is_there else 0.0
            everywhere = [found.experiment_id for found in self._client.search_experiments()]
            return self._last_end(everywhere) / 1000

    def _last_end(self, experiments: list[str]) -> int:
        """When the last run of experiments ended, in ms."""
        finished, order = "attributes.status = 'FINISHED'", ["attributes.end_time DESC"]
        last = self._client.search_runs(experiments, finished, order_by=order, max_results=1)
        return last[0].info.end_time if last else 0

    def whereabouts(self) -> str:
        """Where runs and verdicts are now, in a line."""
        with contextlib.suppress(DlgbenchError):  # a folder that can't be made has none
            if waiting := len(self.spool.waiting()):
                runs = f"runs that wait in {self.spool.folder}: {waiting}"
                return f"{runs}; the next call sends them to {self.uri}"
        if self._file and database.is_missing(self._file):
            return f"{self.uri} is gone: a new one gets the runs that it had at the next call"
        how = " (dlgbench ui shows them)" if self._file else ""
        return f"runs and verdicts: {self.uri}{how}"

    # runs -----------------------------------------------------------------------------------------

    def save(self, cell: Cell, fingerprint: str, run: Run, since: float = 0.0) -> bool:
        """Stores the run of a cell, unless it has a run that ended at or after `since`.

        Returns:
            Whether it has one: that one counts, and this one is dropped.

        Raises:
            RunLost: where neither the store nor the spool takes it.
            DlgbenchError: where the store is out of reach; the run is then kept in the spool.
        """
        record, has_one = to_record(cell, fingerprint, run, since), list[bool]()

        def push(record: Mapping[str, Any]) -> bool:
            is_new = self._push(record)
            has_one.append(not is_new)
            return is_new

        try:
            file = self.spool.keep(record)
        except (OSError, DlgbenchError) as full:  # no space here; the store may be elsewhere
            try:
                push(record)
            except DlgbenchError as error:
                raise RunLost(
                    f"the run of {cell.ablation} {cell.id} is lost: {error}; and the spool "
                    f"can't be written ({full})"
                ) from None
        else:
            try:
                self.spool.send(file, push)
            except RecordRefused:
                raise
            except DlgbenchError as error:
                kept = f"Runs are kept in {file.parent}; the next call sends them"
                raise DlgbenchError(f"{error}. {kept}") from None
        return any(has_one)

    def push_spool(self) -> tuple[int, list[str]]:
        """Sends every spooled run to the store.

        Returns:
            How many were sent; and what the user must know of those that could not be.

        Raises:
            DlgbenchError: where the store is out of reach; what is left stays spooled.
        """
        sent, notes = 0, dict[str, None]()
        for file in self.spool.waiting():
            try:
                sent += self.spool.send(file, self._push)
            except NotARecord as error:
                notes[str(error)] = None
            except DlgbenchError as error:  # one that is refused stops no other
                self.open()
                notes[str(error)] = None
        return sent, list(notes)

    def _push(self, record: Mapping[str, Any]) -> bool:
        """Writes a run into the store, once; returns whether it did.

        The run may be there already: of another session, or of this process, if it was killed after
        the run was written and before it left the spool.
        """
        cell, (start, end, since) = record["cell"], times(record)
        with self._reaching(), self.spool.held("push"):
            experiment = self._experiment(cell["ablation"])
            same = experiment, record["fingerprint"], since
            if self._file and self._discard_drafts(*same):
                return False
            if self._file is None:  # it sorts by the end alone; the clock may have gone back
                later = self._last_end([experiment]) + 1
                if later > max(end, 1000 * time.time()):
                    start, end = start + later - end, later
            tags, points = to_tags(record)
            run_id = self._begin(experiment, tags, start)
            if self._file is None and self._discard_drafts(*same, run_id):
                return False
            self._fill(run_id, cell["params"], points, end, packed_arrays(record))
            return True

    def _discard_drafts(self, experiment: str, fingerprint: str, since: int, own: str = "") -> bool:
        """Deletes runs that a kill left half written; returns whether a finished one is there.

        Only one that ended at or after `since`, in ms, counts. A server may answer that there is
        nothing; so it is asked once it has the draft `own`, which is deleted too if it is surplus.
        """
        if not own and self._lacks(fingerprint):
            return False
        same = self._client.search_runs([experiment], f"tags.`{TAG}fingerprint` = '{fingerprint}'")
        others = [run.info for run in same if run.info.run_id != own]
        if own and len(others) == len(same):
            raise OSError(f"it answered, and does not find run {own}, which it has just made")
        found = any(run.status == "FINISHED" and run.end_time >= since for run in others)
        drafts = [run.run_id for run in others if run.status != "FINISHED"]
        for run_id in [*drafts, own] if own and found else drafts:
            self._client.delete_run(run_id)
        return found

    def find(self, ablation: str, fingerprint: str, since: float = 0.0) -> tuple[Run, bool] | None:
        """The finished run of a fingerprint, and whether it is this ablation's own.

        It must have ended at or after `since`. The same cell may have been run for another
        ablation; it is then returned with its curves and arrays, to be saved for this one too.
        """
        record = self.spool.find_waiting(fingerprint, since)
        if record is None:
            try:
                return self._stored(ablation, fingerprint, since)
            except DlgbenchError:
                record = self.spool.find_sent(fingerprint, since)
                if record is None:
                    raise
        return from_record(record), record["cell"]["ablation"] == ablation

    def _stored(self, ablation: str, fingerprint: str, since: float) -> tuple[Run, bool] | None:
        with self._reaching():
            _ = self._client  # opened, and migrated if it is fresh
            runs = self._tagged("fingerprint", fingerprint, since)[::-1]
            for _id, tags in runs:
                here = tags.get(sqlite.EXPERIMENT, ablation)  # it may have been renamed in MLflow
                if tags[f"{TAG}ablation"] == ablation == here:
                    return from_tags(tags), True
            if not runs:
                return None
            run_id, tags = runs[0]
            history = self._histories([run_id])[run_id]
            return from_tags(tags, history, self._arrays(run_id, tags)), False

    def _tagged(
        self, name: str, value: str, since: float = 0.0
    ) -> list[tuple[str, Mapping[str, str]]]:
        """(id, tags) of the finished runs with a tag of ours, in the order of their writing.

        Only of runs that ended at or after `since`. A SQLite store is read without mlflow.
        """
        start = int(1000 * since)
        if self._file and self._is_there:
            return list(self._tags(name).finished(value, start))
        names = {found.experiment_id: found.name for found in self._client.search_experiments()}
        finished = f"attributes.status = 'FINISHED' and attributes.end_time >= {start}"
        which = f"tags.`{TAG}{name}` = '{value}' and {finished}"
        return [
            (run.info.run_id, run.data.tags | {sqlite.EXPERIMENT: names[run.info.experiment_id]})
            for run in self._search(list(names), which, "attributes.end_time ASC")
        ]

    def runs(self, ablation: Ablation, scale: str, history: bool = False) -> dict[Cell, Run]:
        """The newest finished run of each cell that the ablation declares now.

        With `history`, the evaluations' learning curves and arrays too. Runs that were not computed
        in the same way as the newest are left out, since runs are paired: runs of an older recipe,
        precision or engine, and runs that share a part with a newer run, but an older code of it;
        of what measures time, runs on another device.
        """
        with self._reaching():
            kept = _alike(self._newest(ablation, scale))
            if not history:
                return {cell: from_tags(found) for cell, (_, found) in kept.items()}
            curves = self._histories([run for cell, (run, _) in kept.items() if _drawn(cell)])
            return {
                cell: from_tags(found, curves.get(run_id, ()), self._arrays(run_id, found))
                for cell, (run_id, found) in kept.items()
            }

    def _newest(self, ablation: Ablation, scale: str) -> dict[Cell, tuple[str, Mapping[str, str]]]:
        """(id, tags) of the newest run of each declared cell; the newest of all is last."""
        declared: dict[tuple[str, str, str, str], Cell] = {
            (cell.arm, str(cell.seed), cell.purpose, setting_of(cell)): cell
            for cell in ablation.cells(scale)
        }
        newest: dict[Cell, tuple[str, Mapping[str, str]]] = {}
        for run_id, tags in self._of(ablation.name, {"kind": "cell", "scale": scale}):
            names = ("arm", "seed", "purpose", "setting")
            arm, seed, purpose, setting = (tags[f"{TAG}{name}"] for name in names)
            tried = setting if purpose == "tune" else "null"
            cell = declared.get((arm, seed, purpose, tried))
            if cell is None:
                continue
            if purpose == "evaluate" and setting != "null":
                cell = cell.chosen(json.loads(setting))
            if (cell.work.to_json(), cell.precision) != (
                tags[f"{TAG}recipe"],
                tags[f"{TAG}precision"],
            ):
                continue
            same = (arm, int(seed), "evaluate")  # older evaluations at other settings are outdated
            for old in [old for old in newest if (old.arm, old.seed, old.purpose) == same]:
                del newest[old]
            newest.pop(cell, None)  # so that the newest of all is last
            newest[cell] = run_id, tags
        return newest

    def _of(self, ablation: str, wanted: Mapping[str, str]) -> Iterable[Tagged]:
        """The finished runs of an ablation that have these tags of ours, the newest last.

        A SQLite store is read without mlflow, which makes objects of every metric of every run.
        """
        if self._file and self._is_there:
            named = {f"{TAG}{name}": text for name, text in wanted.items()}
            return sqlite.tagged_runs(self._file, ablation, named)
        experiment = self._client.get_experiment_by_name(ablation)
        if experiment is None:
            return []
        tags = [f"tags.`{TAG}{name}` = '{text}'" for name, text in wanted.items()]
        which = " and ".join([*tags, "attributes.status = 'FINISHED'"])
        found = self._search([experiment.experiment_id], which, "attributes.end_time ASC")
        return ((run.info.run_id, run.data.tags) for run in found)

    def ablations(self) -> set[str]:
        """The names of the ablations that it has anything of, also of those on other data.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        with self._reaching():
            if self._file and self._is_there:
                return sqlite.experiments(self._file)
            return {found.name for found in self._client.search_experiments()}

    def surplus(self, ablations: Iterable[str], *, delete: bool = False) -> int:
        """Counts runs that count for nothing, and, if asked to, marks them deleted in MLflow.

        These are the finished runs of a cell but the newest, as a rerun leaves them, or a run that
        was restored in MLflow; and runs that a kill left unfinished.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        found = 0
        with self._reaching(), self.spool.held("push"):
            for name in ablations:
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None or experiment.lifecycle_stage == "deleted":
                    continue
                kind = f"tags.`{TAG}kind` = 'cell'"
                runs = self._search([experiment.experiment_id], kind, "attributes.end_time DESC")
                seen = set[str]()
                for run in list(runs):
                    fingerprint = run.data.tags[f"{TAG}fingerprint"]
                    if run.info.status == "FINISHED" and fingerprint not in seen:
                        seen.add(fingerprint)
                        continue
                    found += 1
                    if delete:
                        self._client.delete_run(run.info.run_id)
        return found

    # verdicts -------------------------------------------------------------------------------------

    def save_verdict(self, ablation: Ablation, scale: str, claim: Claim, verdict: Verdict) -> None:
        """Stores a verdict as a run of its own, unless the last one was the same.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        content = json.dumps(dataclasses.asdict(verdict))
        identity = f"{scale}\n{claim.id}\n{claim.asked}\n{content}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
        with self._reaching(), self.spool.held("push"):
            experiment = self._experiment(ablation.name)
            kind = f"tags.`{TAG}kind` = 'verdict' and tags.`{TAG}scale` = '{scale}'"
            which = f"{kind} and tags.`{TAG}claim` = '{claim.id}'"
            order = ["attributes.end_time DESC"]
            finished = []
            for run in self._client.search_runs([experiment], which, order_by=order):
                if run.info.status == "FINISHED":
                    finished.append(run)
                else:  # a kill, or a request that was sent again, left it
                    self._client.delete_run(run.info.run_id)
            if finished and finished[0].data.tags.get(f"{TAG}digest") == digest:
                return
            # the newest by its time, also where the clock went back
            last = finished[0].info.end_time if finished else 0
            now = max(int(1000 * time.time()), last + 1)
            note = f"{ablation.question}\n\nSlide: {ablation.slide}"
            self._client.set_experiment_tag(experiment, "mlflow.note.content", note)
            line = verdict.line(claim)
            tags = {
                "mlflow.note.content": f"{line}\n\n{claim.objection}".strip(),
                "mlflow.runName": f"{verdict.verdict}: {claim.statement} ({scale})"[:250],
                f"{TAG}kind": "verdict",
                f"{TAG}ablation": ablation.name,
                f"{TAG}scale": scale,
                f"{TAG}claim": claim.id,
                f"{TAG}statement": claim.statement,
                f"{TAG}asked": claim.asked,
                f"{TAG}effect_scale": claim.effect.scale,
                f"{TAG}slide": claim.slide or ablation.slide,
                f"{TAG}verdict": verdict.verdict,
                f"{TAG}line": line,
                f"{TAG}digest": digest,
                f"{TAG}figures": content,
            }
            params = {
                "statement": claim.statement,
                "effect": claim.effect.formula,
                "threshold": claim.threshold,
                "expect": claim.expect,
            }
            low, high = verdict.interval
            numbers = {"effect": verdict.effect, "lower": low, "upper": high, "n": verdict.n}
            numbers |= {} if verdict.p is None else {"p": verdict.p}
            finite = {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
            points = [(name, 0, value) for name, value in finite.items()]
            self._fill(self._begin(experiment, tags, now), params, points, now)

    def last_verdicts(self, scale: str | None = None) -> dict[tuple[str, str], dict[str, str]]:
        """(ablation, claim id) -> the newest verdict's tags, at one scale, or whatever its scale.

        Verdicts of scale smoke are never stored. A SQLite store is read without mlflow, which takes
        a second to import. Where there is no store yet, there are no verdicts.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        names = ("scale", "verdict", "line", "figures", "statement", "effect_scale", "asked")
        with self._reaching():
            if self._file and not self._is_there:
                return {}
            return {
                (tags[f"{TAG}ablation"], tags[f"{TAG}claim"]): {
                    name: tags[f"{TAG}{name}"] for name in names if f"{TAG}{name}" in tags
                }
                for _, tags in self._tagged("kind", "verdict")
                if scale in (None, tags[f"{TAG}scale"])
            }

    def seconds(self, scale: str) -> dict[tuple[str, str, str], float]:
        """What a cell takes on this device, in s, by (ablation, scale, arm); for a plan.

        A store that is a server is not asked: it would have to send all its runs.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        device = provenance("cuda" if SCALES[scale].cuda else "cpu")["device"]
        with self._reaching():
            if self._file is None or not self._is_there:
                return {}
            return sqlite.seconds(self._file, device)

    def attach(self, ablation: str, files: Iterable[Path]) -> None:
        """Adds plots as artifacts to a run of their own, `figures`, in the ablation's experiment.

        The newest replace the old.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        with self._reaching():
            experiment = self._experiment(ablation)
            for old in self._client.search_runs([experiment], f"tags.`{TAG}kind` = 'figures'"):
                self._client.delete_run(old.info.run_id)
            now = int(1000 * time.time())
            tags = {"mlflow.runName": "figures"}
            tags |= {f"{TAG}kind": "figures", f"{TAG}ablation": ablation}
            run_id = self._begin(experiment, tags, now)
            self._fill(run_id, {}, [], now)
            for file in files:
                self._client.log_artifact(run_id, str(file))


def _drawn(cell: Cell) -> bool:
    return cell.purpose == "evaluate"


Tagged = tuple[str, Mapping[str, str]]  # a run's id and its tags


def _alike(runs: Mapping[Cell, Tagged]) -> dict[Cell, Tagged]:
    """The runs, the newest of which is last, that agree with all newer ones on what both use."""
    agreed: dict[str, str] = {}
    kept: dict[Cell, Tagged] = {}
    for cell, (run_id, tags) in reversed(list(runs.items())):
        code = tags.get(f"{TAG}code") or "{}"
        parts = json.loads(code) if code.startswith("{") else {f"arm {cell.arm}": code}
        parts["engine"] = tags.get(f"{TAG}engine")
        if cell.timing:
            parts["device"] = tags.get(f"{TAG}device")
        if all(agreed.get(name, digest) == digest for name, digest in parts.items()):
            agreed |= parts
            kept[cell] = run_id, tags
    return dict(reversed(list(kept.items())))
