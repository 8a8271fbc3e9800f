"""The store of runs and verdicts: the only importer of mlflow."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
import os
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from dlgbench import sqlite
from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.provenance import provenance
from dlgbench.records import (
    COLUMNS,
    SUMMARY,
    TAG,
    Point,
    from_record,
    from_tags,
    packed_arrays,
    setting_of,
    to_frame,
    to_record,
    to_tags,
    unpack,
)
from dlgbench.spool import RecordRefused, Spool

__all__ = ["COLUMNS", "SUMMARY", "TAG", "Store", "find_uri", "to_frame"]
BATCH = 900  # metrics in a call: MLflow takes 1,000 entries, of which up to 100 are params
ARRAYS = "arrays.npz"  # the artifact that holds a run's arrays


def find_uri(root: Path, uri: str | None = None) -> str:
    """The tracking URI: `uri`, else `MLFLOW_TRACKING_URI`, else `sqlite:///<root>/mlflow.db`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"


class Store:
    """Runs and verdicts in an MLflow tracking store, one experiment per ablation.

    Opening it migrates a fresh SQLite file once.
    """

    def __init__(self, uri: str, root: Path) -> None:
        self.uri, self.root = uri, root
        # each store has a spool of its own, so that no run goes to another store
        digest = hashlib.sha256(uri.encode()).hexdigest()[:12]
        self.spool = Spool(root / ".dlgbench" / digest)
        self._experiments: dict[str, str] = {}
        self._tagged_by: dict[str, sqlite.Tagged] = {}
        self._opened: Any = None

    @property
    def _file(self) -> Path | None:
        """The file of a SQLite store, which can be read without mlflow."""
        return Path(self.uri.removeprefix("sqlite:///")) if self._is_sqlite else None

    @property
    def _is_sqlite(self) -> bool:
        return self.uri.startswith("sqlite:///")

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

    def open(self) -> None:
        """Reaches the store, and migrates a fresh one.

        Raises:
            DlgbenchError: where it is out of reach.
        """
        with self._reaching():
            self._client.search_experiments(max_results=1)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
            os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from mlflow import MlflowClient

            with self._reaching(), FileLock(self.spool.locks / "open.lock"):
                client = MlflowClient(tracking_uri=self.uri)
                client.search_experiments(max_results=1)
                self._opened = client
        return self._opened

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turns any exception of the store's client into one message, and silences its warnings."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (DlgbenchError, TypeError, AttributeError, NameError, KeyError, AssertionError):
            raise  # a user's mistake, or one of ours: the store is in reach
        # MLflow, SQLAlchemy, requests and the operating system raise exceptions of their own
        except Exception as error:  # noqa: BLE001  (see above)
            lines = str(error).strip().splitlines()
            reason = lines[0][:120] if lines else type(error).__name__
            if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
                raise RecordRefused(f"the tracking store {self.uri} refuses it: {reason}") from None
            message = f"the tracking store {self.uri} is out of reach: {reason}"
            raise DlgbenchError(message) from None

    def _experiment(self, ablation: str) -> str:
        if ablation not in self._experiments:
            with FileLock(self.spool.locks / "experiment.lock"):
                found = self._client.get_experiment_by_name(ablation)
                experiment = found.experiment_id if found else self._create(ablation)
                self._experiments[ablation] = experiment
        return self._experiments[ablation]

    def _create(self, ablation: str) -> str:
        # artifacts lie beside a SQLite file, not in the folder of the process
        place = (self.root / "mlruns" / ablation).as_uri() if self._is_sqlite else None
        # without this tag the UI opens the experiment as one for language models
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(self._client.create_experiment(ablation, artifact_location=place, tags=tags))

    # runs -----------------------------------------------------------------------------------------

    def save(self, cell: Cell, fingerprint: str, run: Run) -> None:
        """Stores the run of a cell.

        Raises:
            DlgbenchError: where the store is out of reach; the run is then kept in the spool.
        """
        record = to_record(cell, fingerprint, run)
        try:
            file = self.spool.keep(record)
        except OSError as full:  # no space on this disk; the store may be on another
            try:
                self._push(record)
            except DlgbenchError as error:
                lost = f"the run of {cell.ablation} {cell.id} is lost"
                raise DlgbenchError(
                    f"{error}; and {self.spool.folder} can't be written ({full}): {lost}"
                ) from None
        else:
            self.spool.send(file, self._push)

    def push_spool(self) -> int:
        """Sends every spooled run to the store; returns how many.

        Raises:
            DlgbenchError: where the store is out of reach; what is left stays spooled.
        """
        sent = 0
        for file in self.spool.waiting():
            with contextlib.suppress(RecordRefused):  # it is set aside, and stops no session
                sent += self.spool.send(file, self._push)
        return sent

    def _push(self, record: Mapping[str, Any]) -> None:
        """Writes a run into the store, once.

        The run may be there already: if this process was killed after the run was written and
        before it left the spool.
        """
        cell, end = record["cell"], int(1000 * record["ended"])
        with self._reaching(), FileLock(self.spool.locks / "push.lock"):
            experiment = self._experiment(cell["ablation"])
            if self._discard_drafts(experiment, record["fingerprint"], end):
                return
            tags, points = to_tags(record)
            # only the duration is kept: another ablation may have made the run at another time
            seconds = float(record["run"]["provenance"].get("wall", 0))
            start = end - int(1000 * seconds)
            arrays = packed_arrays(record)
            self._write(experiment, tags, cell["params"], points, start, end, arrays)

    def _discard_drafts(self, experiment: str, fingerprint: str, end: int) -> bool:
        """Deletes runs that a kill left half written; returns whether the run is there already."""
        if self._lacks(fingerprint):
            return False
        same = self._client.search_runs([experiment], f"tags.`{TAG}fingerprint` = '{fingerprint}'")
        for run in same:
            if run.info.status != "FINISHED":
                self._client.delete_run(run.info.run_id)
            elif run.info.end_time == end:
                return True
        return False

    def _write(
        self,
        experiment: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        points: list[Point],
        start: int,
        end: int,
        arrays: bytes = b"",
    ) -> str:
        from mlflow.entities import Metric, Param

        name = tags["mlflow.runName"]
        run = self._client.create_run(experiment, start_time=start, tags=dict(tags), run_name=name)
        run_id = str(run.info.run_id)
        metrics = [Metric(metric, value, end, step) for metric, step, value in points]
        texts = [Param(param, str(value)[:6000]) for param, value in params.items()]
        self._client.log_batch(run_id, metrics[:BATCH], texts)
        for at in range(BATCH, len(metrics), BATCH):
            self._client.log_batch(run_id, metrics[at : at + BATCH])
        if arrays:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / ARRAYS
                file.write_bytes(arrays)
                self._client.log_artifact(run_id, str(file))
        self._client.set_terminated(run_id, "FINISHED", end)
        return run_id

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
                if tags[f"{TAG}ablation"] == ablation:
                    return from_tags(tags), True
            if not runs:
                return None
            run_id, tags = runs[0]
            history = self._histories([run_id])[run_id]
            return from_tags(tags, history, self._arrays(run_id, tags)), False

    def _tagged(
        self, name: str, value: str, since: float = 0.0
    ) -> list[tuple[str, Mapping[str, str]]]:
        """(id, tags) of the finished runs with a tag of ours, the oldest first.

        Only of runs that ended at or after `since`. A SQLite store is read without mlflow.
        """
        start = int(1000 * since)
        if self._file and self._file.exists():
            return list(self._tags(name).finished(value, start))
        everywhere = [found.experiment_id for found in self._client.search_experiments()]
        finished = f"attributes.status = 'FINISHED' and attributes.end_time >= {start}"
        which = f"tags.`{TAG}{name}` = '{value}' and {finished}"
        runs = self._search(everywhere, which, "attributes.end_time ASC")
        return [(run.info.run_id, run.data.tags) for run in runs]

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
        if self._file and self._file.exists():
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
            if self._file and self._file.exists():
                return sqlite.experiments(self._file)
            return {found.name for found in self._client.search_experiments()}

    def _histories(self, runs: list[str]) -> dict[str, list[Point]]:
        """(metric, step, value) of each run, by its id.

        MLflow needs a call for each metric of each run; a SQLite store is read without it.
        """
        if runs and self._file:
            return sqlite.histories(self._file, runs)
        history = self._client.get_metric_history
        names = {run: self._client.get_run(run).data.metrics for run in runs}
        return {
            run: [
                (name, point.step, point.value)
                for name in names[run]
                for point in history(run, name)
            ]
            for run in runs
        }

    def _arrays(self, run_id: str, tags: Mapping[str, str]) -> dict[str, Any]:
        """The arrays of a run; {} for a run without arrays, and where its artifact is gone."""
        if f"{TAG}arrays" not in tags:
            return {}
        with tempfile.TemporaryDirectory() as folder:
            try:
                file = self._client.download_artifacts(run_id, ARRAYS, folder)
                return unpack(Path(file).read_bytes())
            except Exception:  # noqa: BLE001  (each kind of artifact store raises its own)
                return {}

    def _search(self, experiments: list[str], which: str, order: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                experiments, which, order_by=[order], page_token=token, max_results=1000
            )
            yield from page
            token = page.token
            if not token:
                return

    # verdicts -------------------------------------------------------------------------------------

    def save_verdict(self, ablation: Ablation, scale: str, claim: Claim, verdict: Verdict) -> None:
        """Stores a verdict as a run of its own, unless the last one was the same.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        content = json.dumps(dataclasses.asdict(verdict))
        identity = f"{scale}\n{claim.id}\n{claim.threshold}\n{content}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
        with self._reaching(), FileLock(self.spool.locks / "push.lock"):
            experiment = self._experiment(ablation.name)
            kind = f"tags.`{TAG}kind` = 'verdict' and tags.`{TAG}scale` = '{scale}'"
            which = f"{kind} and tags.`{TAG}claim` = '{claim.id}'"
            order = ["attributes.end_time DESC"]
            last = self._client.search_runs([experiment], which, order_by=order, max_results=1)
            if last and last[0].data.tags.get(f"{TAG}digest") == digest:
                return
            now = int(1000 * time.time())
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
            self._write(experiment, tags, params, points, now, now)

    def last_verdicts(self, scale: str | None = None) -> dict[tuple[str, str], dict[str, str]]:
        """(ablation, claim id) -> the newest verdict's tags, at one scale, or whatever its scale.

        Verdicts of scale smoke are never stored. A SQLite store is read without mlflow, which takes
        a second to import. Where there is no store yet, there are no verdicts.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        names = ("scale", "verdict", "line", "figures", "statement", "effect_scale")
        if self._file and not self._file.exists():
            return {}
        with self._reaching():
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
        if self._file is None or not self._file.exists():
            return {}
        device = provenance("cuda" if scale == "gpu" else "cpu")["device"]
        with self._reaching():
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
            run_id = self._write(experiment, tags, {}, [], now, now)
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
