"""The store of runs and verdicts: the only importer of mlflow.

A run reaches the disk (the spool) before it is sent to the store, and leaves the spool when the store has it: a closed port, a full
disk or a `kill -9` between the two costs nothing, and the next call sends what is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
import math
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock

from dlgbench import sqlite
from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.recipe import plain

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = [
    "ablation",
    "scale",
    "arm",
    "seed",
    "purpose",
    "setting",
    "status",
    "metric",
    "step",
    "value",
]
ABOUT = ("device", "git", "started", "wall", "engine")
TAG = "dlgbench."
BATCH = 900  # metrics in a call: MLflow takes 1,000 things, of which up to 100 are params


def find_uri(root: Path, uri: str | None = None) -> str:
    """The tracking URI: as given, else `MLFLOW_TRACKING_URI`, else `sqlite:///<root>/mlflow.db`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"


class Store:
    """Runs and verdicts in an MLflow tracking store, one experiment per ablation. Opening it migrates a fresh SQLite file once."""

    def __init__(self, uri: str, root: Path) -> None:
        self.uri, self.root = uri, root
        self._state = (
            root / ".dlgbench" / hashlib.sha256(uri.encode()).hexdigest()[:12]
        )  # what waits for one store never goes to another
        self._experiments: dict[str, str] = {}
        self._client_: Any = None

    @property
    def _file(self) -> Path | None:
        """The file of a SQLite store, which can be asked directly."""
        return (
            Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None
        )

    def _lacks(self, fingerprint: str) -> bool:
        """Whether no run can have the fingerprint: quickly said of a SQLite store that was opened, and of no other."""
        return (
            self._client_ is not None
            and self._file is not None
            and self._file.exists()
            and not sqlite.has_tag(self._file, f"{TAG}fingerprint", fingerprint)
        )

    @functools.cached_property
    def spool(self) -> Path:
        """Where runs wait until the store has them."""
        return self._folder("spool")

    @functools.cached_property
    def locks(self) -> Path:
        """Where this machine's workers keep out of each other's way."""
        return self._folder("locks")

    def _folder(self, name: str) -> Path:
        (self._state / name).mkdir(parents=True, exist_ok=True)
        return self._state / name

    def open(self) -> None:
        """Reaches the store, and migrates a fresh one.

        Raises:
            DlgbenchError: where it is out of reach.
        """
        with self._reaching():
            self._client.search_experiments(max_results=1)

    @property
    def _client(self) -> Any:
        if self._client_ is None:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
            os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from mlflow import MlflowClient

            with self._reaching(), FileLock(self.locks / "open.lock"):
                self._client_ = MlflowClient(tracking_uri=self.uri)
                self._client_.search_experiments(max_results=1)
        return self._client_

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turns whatever the store's client raises into one message, and keeps its libraries' warnings to itself."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (DlgbenchError, TypeError, AttributeError, NameError, KeyError, AssertionError):
            raise  # a user's mistake, or one of ours: the store is in reach
        except Exception as error:  # noqa: BLE001  (MLflow, SQLAlchemy, requests and the OS each raise their own)
            reason = (
                str(error).strip().splitlines()[0][:120]
                if str(error).strip()
                else type(error).__name__
            )
            raise DlgbenchError(
                f"the tracking store {self.uri} is out of reach: {reason}"
            ) from None

    def _experiment(self, ablation: str) -> str:
        if ablation not in self._experiments:
            with FileLock(self.locks / "experiment.lock"):
                found = self._client.get_experiment_by_name(ablation)
                self._experiments[ablation] = (
                    found.experiment_id if found else self._create(ablation)
                )
        return self._experiments[ablation]

    def _create(self, ablation: str) -> str:
        beside = (
            (self.root / "mlruns" / ablation).as_uri() if self.uri.startswith("sqlite:") else None
        )  # not in the caller's folder
        tags = {
            "mlflow.experimentKind": "custom_model_development"
        }  # else the UI opens as one for language models
        return str(self._client.create_experiment(ablation, artifact_location=beside, tags=tags))

    # runs ---------------------------------------------------------------------------------------------------------------

    def save(self, cell: Cell, fingerprint: str, run: Run) -> None:
        """Stores what came of a cell.

        Raises:
            DlgbenchError: where the store is out of reach; the run is then kept in the spool.
        """
        record = {
            "cell": _cell_dict(cell),
            "fingerprint": fingerprint,
            "run": dataclasses.asdict(run),
            "ended": time.time(),
        }
        file = self.spool / f"{cell.ablation.replace('/', '.')}-{fingerprint}.json"
        draft = file.with_suffix(f".{os.getpid()}.draft")
        try:
            draft.write_text(json.dumps(record))
            draft.replace(file)
        except OSError as full:  # no room here: the store may still have some
            draft.unlink(missing_ok=True)
            try:
                self._push(record)
            except DlgbenchError as error:
                raise DlgbenchError(
                    f"{error}; and {self.spool} can't be written ({full}): the run of {cell.ablation} {cell.id} is lost"
                ) from None
        else:
            self._send(file)

    def push_spool(self) -> int:
        """Sends every spooled run to the store; returns how many.

        Raises:
            DlgbenchError: where the store is out of reach; what is left stays spooled.
        """
        return sum(self._send(file) for file in sorted(self.spool.glob("*.json")))

    def _send(self, file: Path) -> bool:
        """Sends a spooled run, once, whoever else tries; it then lies in `sent`, for a time when the store is out of reach."""
        with FileLock(self.locks / f"{file.stem}.send.lock"):
            try:
                record = json.loads(file.read_text())
            except FileNotFoundError:
                return False  # another was quicker
            except ValueError:
                file.replace(file.with_suffix(".corrupt"))
                return False
            self._push(record)
            file.replace(self._folder("sent") / f"{record['fingerprint']}.json")
            return True

    def _push(self, record: Mapping[str, Any]) -> None:
        """Writes a run into the store; not a second time, should a kill have come between that and the file's removal."""
        cell, run, end = record["cell"], record["run"], int(1000 * record["ended"])
        with self._reaching(), FileLock(self.locks / "push.lock"):
            experiment = self._experiment(cell["ablation"])
            which = f"tags.`{TAG}fingerprint` = '{record['fingerprint']}'"
            for old in (
                []
                if self._lacks(record["fingerprint"])
                else self._client.search_runs([experiment], which)
            ):
                if old.info.status != "FINISHED":
                    self._client.delete_run(old.info.run_id)  # what a kill left half written
                elif old.info.end_time == end:
                    return
            tags, points = _tags_and_points(record)
            start = end - int(
                1000 * float(run["provenance"].get("wall", 0))
            )  # of a run that another ablation made too: its duration, not its hour
            self._write(experiment, tags, cell["params"], points, start, end)

    def _write(
        self,
        experiment: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        points: list[Any],
        start: int,
        end: int,
    ) -> str:
        from mlflow.entities import Metric, Param

        run = self._client.create_run(
            experiment, start_time=start, tags=dict(tags), run_name=tags["mlflow.runName"]
        )
        told = [Param(name, str(value)[:6000]) for name, value in params.items()]
        metrics = [Metric(name, float(value), end, int(step)) for name, step, value in points]
        self._client.log_batch(run.info.run_id, metrics[:BATCH], told)
        for at in range(BATCH, len(metrics), BATCH):
            self._client.log_batch(run.info.run_id, metrics[at : at + BATCH])
        self._client.set_terminated(run.info.run_id, "FINISHED", end)
        return str(run.info.run_id)

    def find(self, ablation: str, fingerprint: str, since: float = 0.0) -> tuple[Run, bool] | None:
        """The finished run of a fingerprint that ended at or after `since`, and whether it is this ablation's own.

        The same cell may have been run for another ablation; it is then returned with its curves, to be saved for this one too.
        """
        spooled = self._kept(self.spool.glob(f"*-{fingerprint}.json"), ablation, since)
        if spooled is not None:
            return spooled
        try:
            return self._stored(ablation, fingerprint, since)
        except DlgbenchError:
            sent = self._kept([self._folder("sent") / f"{fingerprint}.json"], ablation, since)
            if sent is None:
                raise
            return sent

    def _kept(self, files: Iterable[Path], ablation: str, since: float) -> tuple[Run, bool] | None:
        for file in files:
            with contextlib.suppress(
                OSError, ValueError
            ):  # sent meanwhile, or cut off by a full disk: then it counts for nothing
                record = json.loads(file.read_text())
                if record["ended"] >= since:
                    return _run(record["run"]), record["cell"]["ablation"] == ablation
        return None

    def _stored(self, ablation: str, fingerprint: str, since: float) -> tuple[Run, bool] | None:
        with self._reaching():
            _ = self._client  # opened, and migrated if it is fresh
            runs = self._tagged("fingerprint", fingerprint, since)[::-1]
            own = [tags for _, tags in runs if tags[f"{TAG}ablation"] == ablation]
            if own:
                return _read(own[0]), True
            return (
                (_read(runs[0][1], self._histories([runs[0][0]])[runs[0][0]]), False)
                if runs
                else None
            )

    def _tagged(
        self, name: str, value: str, since: float = 0.0
    ) -> list[tuple[str, Mapping[str, str]]]:
        """(id, tags) of the finished runs with a tag of ours that ended at or after `since`, the oldest first; a SQLite store is asked directly."""
        start = int(1000 * since)
        if self._file and self._file.exists():
            return list(sqlite.tagged(self._file, f"{TAG}{name}", value, start))
        everywhere = [found.experiment_id for found in self._client.search_experiments()]
        which = f"tags.`{TAG}{name}` = '{value}' and attributes.status = 'FINISHED' and attributes.end_time >= {start}"
        return [
            (run.info.run_id, run.data.tags)
            for run in self._search(everywhere, which, "attributes.end_time ASC")
        ]

    def runs(self, ablation: Ablation, scale: str, history: bool = False) -> dict[Cell, Run]:
        """The newest finished run of each cell that the ablation declares now; with `history`, the evaluations' learning curves and pictures too.

        A run of an older recipe, precision or engine is not among them: what is paired was computed alike.
        """
        declared = {
            (cell.arm, str(cell.seed), cell.purpose, _setting(cell)): cell
            for cell in ablation.cells(scale)
        }
        with self._reaching():
            found = self._client.get_experiment_by_name(ablation.name)
            which = f"tags.`{TAG}kind` = 'cell' and tags.`{TAG}scale` = '{scale}' and attributes.status = 'FINISHED'"
            newest: dict[Cell, tuple[str, Mapping[str, str]]] = {}  # id and tags
            for run in (
                self._search([found.experiment_id], which, "attributes.end_time ASC")
                if found
                else ()
            ):
                tags = run.data.tags
                arm, seed, purpose, setting = (
                    tags[f"{TAG}{name}"] for name in ("arm", "seed", "purpose", "setting")
                )
                cell = declared.get((arm, seed, purpose, setting if purpose == "tune" else "null"))
                if cell is None:
                    continue
                if purpose == "evaluate" and setting != "null":
                    cell = cell.chosen(json.loads(setting))
                if (cell.recipe.to_json(), cell.precision) == (
                    tags[f"{TAG}recipe"],
                    tags[f"{TAG}precision"],
                ):
                    newest = {
                        old: kept
                        for old, kept in newest.items()
                        if (old.arm, old.seed, old.purpose) != (arm, int(seed), "evaluate")
                    }
                    newest.pop(cell, None)  # so that the last is the newest of all
                    newest[cell] = run.info.run_id, tags
            engine = next((tags.get(f"{TAG}engine") for _, tags in reversed(newest.values())), None)
            kept = {
                cell: (run, tags)
                for cell, (run, tags) in newest.items()
                if tags.get(f"{TAG}engine") == engine
            }
            drawn = self._histories(
                [run for cell, (run, _) in kept.items() if cell.purpose == "evaluate"]
                if history
                else []
            )
            return {cell: _read(tags, drawn.get(run, ())) for cell, (run, tags) in kept.items()}

    def _histories(self, runs: list[str]) -> dict[str, list[tuple[str, int, float]]]:
        """(metric, step, value) of each run, by its id. MLflow has a call per metric and run; a SQLite store is asked once for all."""
        if runs and self._file:
            return sqlite.histories(self._file, runs)
        history, names = (
            self._client.get_metric_history,
            {run: self._client.get_run(run).data.metrics for run in runs},
        )
        return {
            run: [
                (name, point.step, point.value)
                for name in names[run]
                for point in history(run, name)
            ]
            for run in runs
        }

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

    # verdicts -----------------------------------------------------------------------------------------------------------

    def save_verdict(self, ablation: Ablation, scale: str, claim: Claim, verdict: Verdict) -> None:
        """Stores a verdict as a run of its own, once: the same verdict on the same figures is not stored again.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        content = json.dumps(dataclasses.asdict(verdict))
        digest = hashlib.sha256(
            f"{scale}\n{claim.id}\n{claim.threshold}\n{content}".encode()
        ).hexdigest()[:32]
        with self._reaching(), FileLock(self.locks / "push.lock"):
            experiment = self._experiment(ablation.name)
            which = f"tags.`{TAG}kind` = 'verdict' and tags.`{TAG}scale` = '{scale}' and tags.`{TAG}claim` = '{claim.id}'"
            last = self._client.search_runs(
                [experiment], which, order_by=["attributes.end_time DESC"], max_results=1
            )
            if last and last[0].data.tags.get(f"{TAG}digest") == digest:
                return
            now = int(1000 * time.time())
            self._client.set_experiment_tag(
                experiment, "mlflow.note.content", f"{ablation.question}\n\nSlide: {ablation.slide}"
            )
            tags = {
                "mlflow.note.content": f"{verdict.line(claim)}\n\n{claim.objection}".strip(),
                "mlflow.runName": f"{verdict.verdict}: {claim.statement} ({scale})"[:250],
                f"{TAG}kind": "verdict",
                f"{TAG}ablation": ablation.name,
                f"{TAG}scale": scale,
                f"{TAG}claim": claim.id,
                f"{TAG}slide": claim.slide or ablation.slide,
                f"{TAG}verdict": verdict.verdict,
                f"{TAG}line": verdict.line(claim),
                f"{TAG}digest": digest,
                f"{TAG}figures": content,
            }
            params = {
                "statement": claim.statement,
                "effect": claim.effect.formula,
                "threshold": claim.threshold,
                "expect": claim.expect,
            }
            figures = {
                "effect": verdict.effect,
                "lower": verdict.interval[0],
                "upper": verdict.interval[1],
                "n": verdict.n,
            }
            figures |= {} if verdict.p is None else {"p": verdict.p}
            points = [(name, 0, value) for name, value in figures.items() if math.isfinite(value)]
            self._write(experiment, tags, params, points, now, now)

    def last_verdicts(self) -> dict[tuple[str, str], dict[str, str]]:
        """(ablation, claim id) -> the newest verdict's tags, whatever its scale; smoke's are plumbing and are not stored.

        A SQLite store is read without mlflow, which alone takes a second to import; no store yet means no verdicts.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        wanted = ("scale", "verdict", "line", "figures")
        if self._file and not self._file.exists():
            return {}
        with self._reaching():
            last = {}
            for _, tags in self._tagged("kind", "verdict"):
                last[tags[f"{TAG}ablation"], tags[f"{TAG}claim"]] = {
                    name: tags[f"{TAG}{name}"] for name in wanted
                }
        return last

    def attach(self, ablation: str, files: Iterable[Path]) -> None:
        """Adds figures as artifacts to a run of their own, `report`, in the ablation's experiment; the newest replace the old.

        Raises:
            DlgbenchError: where the store is out of reach.
        """
        with self._reaching():
            experiment = self._experiment(ablation)
            for old in self._client.search_runs([experiment], f"tags.`{TAG}kind` = 'figures'"):
                self._client.delete_run(old.info.run_id)
            now = int(1000 * time.time())
            run = self._write(
                experiment,
                {"mlflow.runName": "figures", f"{TAG}kind": "figures", f"{TAG}ablation": ablation},
                {},
                [],
                now,
                now,
            )
            for file in files:
                self._client.log_artifact(run, str(file))


def _read(tags: Mapping[str, str], points: Iterable[tuple[str, int, float]] = ()) -> Run:
    """A run from its tags and its points; step 0 is the summary, which a tag holds."""
    about = {
        name.removeprefix(TAG): text
        for name, text in tags.items()
        if name.startswith((f"{TAG}version.", *(f"{TAG}{key}" for key in ABOUT)))
    }
    return Run(
        cast("Any", tags[f"{TAG}status"]),
        json.loads(tags[f"{TAG}summary"]),
        tuple(point for point in points if point[1]),
        about,
    )


def _tags_and_points(
    record: Mapping[str, Any],
) -> tuple[dict[str, str], list[tuple[str, int, float]]]:
    """What MLflow is told of a run: its tags, and its metrics as (name, step, value)."""
    cell, run = record["cell"], record["run"]
    tags = {
        "mlflow.runName": cell["id"],
        "mlflow.source.name": cell["ablation"],
        **{
            f"{TAG}{name}": str(cell[name])
            for name in ("ablation", "slide", "arm", "seed", "scale", "purpose", "precision")
        },
        f"{TAG}kind": "cell",
        f"{TAG}fingerprint": record["fingerprint"],
        f"{TAG}setting": json.dumps(cell["setting"]),
        f"{TAG}recipe": cell["recipe"],
        f"{TAG}status": run["status"],
        f"{TAG}summary": json.dumps(run["summary"]),
        **{f"{TAG}{name}": str(text) for name, text in run["provenance"].items()},
    }
    curves = {name for name, _, _ in run["history"]}
    return tags, [
        *map(tuple, run["history"]),
        *((name, 0, value) for name, value in run["summary"].items() if name not in curves),
    ]


def _run(record: Mapping[str, Any]) -> Run:
    history = tuple((name, int(step), float(value)) for name, step, value in record["history"])
    return Run(record["status"], record["summary"], history, record["provenance"])


def _cell_dict(cell: Cell) -> dict[str, Any]:
    fields = {
        name: getattr(cell, name)
        for name in ("ablation", "slide", "arm", "seed", "scale", "purpose", "precision", "id")
    }
    return {
        **fields,
        "setting": plain(cell.setting),
        "recipe": cell.recipe.to_json(),
        "params": cell.recipe.flat(),
    }


def _setting(cell: Cell) -> str:
    return json.dumps(plain(cell.setting)) if cell.purpose == "tune" else "null"


def to_frame(runs: Mapping[Cell, Run]) -> pd.DataFrame:
    """Runs as a long DataFrame with `COLUMNS`. Step 0 is the summary; a curve's points have the step (over layers, the layer)."""
    import pandas as pd

    rows = []
    for cell, run in runs.items():
        about = [
            cell.ablation,
            cell.scale,
            cell.arm,
            cell.seed,
            cell.purpose,
            json.dumps(plain(cell.setting)),
            run.status,
        ]
        rows += [(*about, name, 0, value) for name, value in run.summary.items()]
        rows += [(*about, *point) for point in run.history]
        rows += [] if run.summary or run.history else [(*about, "", 0, float("nan"))]
    return pd.DataFrame(rows, columns=COLUMNS)
