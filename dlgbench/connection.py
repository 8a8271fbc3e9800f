"""The connection to an MLflow tracking store: opened once, and every failure is one message."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shlex
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlgbench import database, sqlite
from dlgbench.errors import DlgbenchError
from dlgbench.records import TAG, Point, unpack
from dlgbench.spool import RecordRefused, Spool

BATCH = 900  # metrics in a call: MLflow takes 1,000 entries, of which up to 100 are params
TIMEOUT = 10  # seconds that a server may take for an answer
PAUSE = 60.0  # seconds for which a server that could not be reached is not asked again
ARRAYS = "arrays.npz"  # the artifact that holds a run's arrays


def load_client() -> Any:
    """MLflow's client class, imported under settings of our own.

    It sends no telemetry, retries nothing, and logs no failure of a store: each is an exception
    too, of which one message is made.
    """
    defaults = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT),
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it sets its own on import
    logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)
    return MlflowClient


class Connection:
    """MLflow's client of a tracking store, and the spool where runs wait for it.

    Opening it migrates a fresh SQLite file once.

    Args:
        uri: the tracking URI; a SQLite file by any spelling is one store.
        root: the folder below which runs are kept on their way, and the artifacts of a SQLite file.

    Attributes:
        spool: the runs on their way.
        notice: what the user must know of how it was opened.
    """

    def __init__(self, uri: str, root: Path) -> None:
        self._file = database.path_of(uri)  # of a SQLite store, which can be read without mlflow
        self.uri, self.root = f"{database.PREFIX}{self._file}" if self._file else uri, root
        # each store has a spool of its own, so that no run goes to another store; the locks lie
        # beside a store's file, so that all who use it share them, from whatever root
        own = Path(".dlgbench") / hashlib.sha256(self.uri.encode()).hexdigest()[:12]
        beside = self._file.parent if self._file and _is_writable(self._file.parent) else root
        self.spool = Spool(root / own, beside / own)
        self._experiments: dict[str, str] = {}
        self._opened: Any = None
        self._away: tuple[float, str] | None = None  # until when a server is not asked again, why
        self.notice = ""  # what the user must know of how it was opened

    @property
    def client_uri(self) -> str:
        """The URI by which MLflow finds the store."""
        return database.uri_of(self._file) if self._file else self.uri

    def open(self) -> None:
        """Reaches the store, and migrates a fresh one.

        Raises:
            DlgbenchError: where it is out of reach.
        """
        with self._reaching():
            self._client.search_experiments(max_results=1)

    def refuse_deleted(self, ablations: Iterable[str]) -> None:
        """Refuses ablations whose experiment was deleted in MLflow: it takes no runs.

        Raises:
            DlgbenchError: where there are any, or the store is out of reach.
        """
        with self._reaching():
            if self._file:
                gone = sqlite.deleted_experiments(self._file) if self._is_there else {}
            else:
                from mlflow.entities import ViewType

                only = ViewType.DELETED_ONLY
                deleted = self._client.search_experiments(view_type=only)
                gone = {one.name: one.experiment_id for one in deleted}
        if found := {name: gone[name] for name in sorted(set(ablations) & set(gone))}:
            raise self._was_deleted(found)

    def _was_deleted(self, ids: Mapping[str, str]) -> DlgbenchError:
        """The error for ablations whose experiments, by their ids, were deleted."""
        uri = shlex.quote(self.client_uri)
        mlflow, backend, where = f"MLFLOW_TRACKING_URI={uri} mlflow", uri, ""
        if self._file is None:
            backend, where = "STORE", ", where the server runs; STORE is the server's own store"
        restore = " && ".join(f"{mlflow} experiments restore -x {one}" for one in ids.values())
        gc = f"{mlflow} gc --backend-store-uri {backend} --experiment-ids {','.join(ids.values())}"
        return DlgbenchError(
            f"expected MLflow's experiments of {', '.join(ids)}, but they were deleted. To have "
            f"their runs again, restore them: `{restore}`; to begin anew, delete them for good, "
            f"and with them all runs that are marked deleted: `{gc}`{where}"
        )

    @property
    def _is_there(self) -> bool:
        """Whether there is a SQLite file with a store, which is read without mlflow.

        Raises:
            DlgbenchError: for a file that is no store.
        """
        if self._file is None or database.is_missing(self._file):
            return False
        return self._opened is not None or database.is_store(self._file)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            client_of = load_client()
            with self._reaching():
                if self._file:
                    gone = database.is_missing(self._file)
                    self.notice = database.prepare(self._file, (self.root / "mlruns").as_uri())
                    self.notice = self.notice or (self._restored() if gone else "")
                client = client_of(tracking_uri=self.client_uri)
                client.search_experiments(max_results=1)
                self._opened = client
            if self._file:
                database.tidy(self._file)
        return self._opened

    def _restored(self) -> str:
        """Lets the runs of a store that was lost wait for the new one; what the user must know."""
        count = self.spool.restore()
        if not count:
            return ""
        runs = f"{count} run{'s' * (count != 1)}"
        return (
            f"{self.uri} was gone; {runs} that it had, of which copies are kept, go to the new one "
            "(to train anew: --rerun)"
        )

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turns any exception of the store's client into one message, and silences its warnings.

        A server that could not be reached is not asked again for a minute.
        """
        if self._away and time.monotonic() < self._away[0]:
            raise DlgbenchError(self._away[1])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (DlgbenchError, TypeError, AttributeError, NameError, KeyError, AssertionError):
            raise  # a user's mistake, or one of ours: the store is in reach
        # MLflow, SQLAlchemy, requests and the operating system raise exceptions of their own
        except Exception as error:  # noqa: BLE001  (see above)
            reason = _reason(error)
            if self._file and "database disk image is malformed" in reason:
                raise database.damaged(self._file, reason) from None
            if "must be in the 'active' state" in reason:  # of a run, or of an experiment
                self._experiments.clear()
                raise DlgbenchError(f"{self.uri}: deleted there meanwhile: {reason}") from None
            if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
                raise RecordRefused(f"the tracking store {self.uri} refuses it: {reason}") from None
            message = f"the tracking store {self.uri} is out of reach: {reason}"
            if self._file is None and not _is_answer(error):
                self._away = time.monotonic() + PAUSE, message
            raise DlgbenchError(message) from None

    def _experiment(self, ablation: str) -> str:
        if ablation not in self._experiments:
            with self.spool.held("experiment"):
                found = self._client.get_experiment_by_name(ablation)
                if found and found.lifecycle_stage == "deleted":
                    raise self._was_deleted({ablation: found.experiment_id})
                experiment = found.experiment_id if found else self._create(ablation)
                if not experiment:
                    raise OSError("it answered, and names no experiment")
                self._experiments[ablation] = experiment
        return self._experiments[ablation]

    def _create(self, ablation: str) -> str:
        # artifacts lie beside a SQLite file, not in the folder of the process
        place = (self.root / "mlruns" / ablation).as_uri() if self._file else None
        # without this tag the UI opens the experiment as one for language models
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(self._client.create_experiment(ablation, artifact_location=place, tags=tags))

    def _begin(self, experiment: str, tags: Mapping[str, str], start: int) -> str:
        """Makes a run, which is a draft until `_fill` ends it."""
        name = tags["mlflow.runName"]
        run = self._client.create_run(experiment, start_time=start, tags=dict(tags), run_name=name)
        if not run.info.run_id:  # as of an experiment; MLflow would take it for a mistake in it
            raise OSError("it answered, and names no run")
        return str(run.info.run_id)

    def _fill(
        self,
        run_id: str,
        params: Mapping[str, Any],
        points: list[Point],
        end: int,
        arrays: bytes = b"",
    ) -> None:
        """Writes what a run has, and ends it."""
        from mlflow.entities import Metric, Param

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
        if self._file is None and not self._keeps(run_id, points, params, arrays):
            raise OSError(f"it answered, and did not keep all of run {run_id}")
        self._client.set_terminated(run_id, "FINISHED", end)
        if self._file is None:
            kept = self._client.get_run(run_id).info
            if (kept.run_id, kept.status) != (run_id, "FINISHED"):
                raise OSError(f"it answered, and did not keep run {run_id}")

    def _keeps(
        self, run_id: str, points: list[Point], params: Mapping[str, Any], arrays: bytes
    ) -> bool:
        """Whether a server has what it was sent: it may answer and keep nothing.

        A request is carried out as a whole: of one batch the names tell, of several the numbers.
        """
        data = self._client.get_run(run_id).data
        names = {name for name, _, _ in points}
        if not (names <= set(data.metrics) and set(params) <= set(data.params)):
            return False
        if len(points) > BATCH and len(self._histories([run_id])[run_id]) < len(points):
            return False
        files = self._client.list_artifacts(run_id) if arrays else []
        return not arrays or ARRAYS in {file.path for file in files}

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


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


def _is_answer(error: Exception) -> bool:
    """Whether a server answered, and refuses what was asked."""
    from mlflow.exceptions import RestException

    return isinstance(error, RestException)


def _reason(error: BaseException) -> str:
    """The innermost cause of an exception, in a line."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
