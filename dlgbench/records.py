"""Converts runs to JSON records, to MLflow's tags and points, and to a DataFrame; and back."""

from __future__ import annotations

import base64
import inspect
import io
import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from dlgbench.ablation import Cell, Run, Work
from dlgbench.recipe import Recipe, plain
from dlgbench.registry import MODELS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TAG = "dlgbench."  # what our tags begin with
ABOUT = ("device", "git", "started", "wall", "engine", "code")  # provenance, beside the versions
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
OF_DATA = ("input_shape", "num_classes")  # a model's arguments that the data set gives
SUMMARY = -1  # the step of a row of the summary; a curve's points have steps from 0
Point = tuple[str, int, float]  # metric, step, value


def to_record(cell: Cell, fingerprint: str, run: Run, since: float = 0.0) -> dict[str, Any]:
    """A cell and its run as plain values, ready for JSON.

    `since` is when the session began that runs every cell again: the run ended after that, whatever
    the clock says now.
    """
    names = ("ablation", "slide", "arm", "seed", "scale", "purpose", "precision", "id")
    fields = {name: getattr(cell, name) for name in names}
    return {
        "cell": {
            **fields,
            "setting": plain(cell.setting),
            "recipe": cell.work.to_json(),
            "params": _params(cell.work),
        },
        "fingerprint": fingerprint,
        "run": {
            "status": run.status,
            "summary": dict(run.summary),
            "history": list(run.history),
            "provenance": dict(run.provenance),
            "arrays": base64.b64encode(pack(run.arrays)).decode() if run.arrays else "",
        },
        "ended": max(time.time(), since),
        "since": since,
    }


def _params(work: Work) -> dict[str, Any]:
    """The fields of a work; of a recipe also the model's arguments that it leaves as they are.

    So arms compare field by field, also where only one of them sets a field.
    """
    defaults = {}
    if isinstance(work, Recipe):
        defaults = {
            f"model_args.{name}": str(plain(argument.default))
            for name, argument in inspect.signature(MODELS[work.model].build).parameters.items()
            if argument.default is not argument.empty and name not in OF_DATA
        }
    return defaults | work.flat()


def from_record(record: Mapping[str, Any]) -> Run:
    """The run of a record."""
    run = record["run"]
    history = tuple((name, int(step), float(value)) for name, step, value in run["history"])
    arrays = unpack(packed_arrays(record)) if run.get("arrays") else {}
    return Run(run["status"], run["summary"], history, run["provenance"], arrays)


def packed_arrays(record: Mapping[str, Any]) -> bytes:
    """The arrays of a record as the bytes of an npz file; empty where it has none."""
    return base64.b64decode(record["run"].get("arrays", ""))


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as the bytes of an npz file."""
    import numpy as np

    file, named = io.BytesIO(), dict[str, Any](arrays)
    np.savez_compressed(file, **named)
    return file.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz file."""
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def to_tags(record: Mapping[str, Any]) -> tuple[dict[str, str], list[Point]]:
    """A record as MLflow stores it: tags, and metrics as (metric, step, value)."""
    cell, run = record["cell"], record["run"]
    names = ("ablation", "slide", "arm", "seed", "scale", "purpose", "precision")
    curves = sorted({name for name, _, _ in run["history"]})
    tags = {
        "mlflow.runName": cell["id"],
        "mlflow.source.name": cell["ablation"],
        **{f"{TAG}{name}": str(cell[name]) for name in names},
        f"{TAG}kind": "cell",
        f"{TAG}fingerprint": record["fingerprint"],
        f"{TAG}setting": json.dumps(cell["setting"]),
        f"{TAG}recipe": cell["recipe"],
        f"{TAG}status": run["status"],
        f"{TAG}summary": json.dumps(run["summary"]),
        f"{TAG}curves": json.dumps(curves),
        **({f"{TAG}arrays": "arrays.npz"} if run.get("arrays") else {}),
        **{f"{TAG}{name}": str(text) for name, text in run["provenance"].items()},
    }
    points = [(str(name), int(step), float(value)) for name, step, value in run["history"]]
    points += [(name, 0, value) for name, value in run["summary"].items() if name not in curves]
    return tags, points


def from_tags(
    tags: Mapping[str, str],
    points: Iterable[Point] = (),
    arrays: Mapping[str, np.ndarray] | None = None,
) -> Run:
    """The run of a record that MLflow stored; the points that belong to curves are its history."""
    curves = json.loads(tags.get(f"{TAG}curves", "[]"))
    history = tuple(point for point in points if point[0] in curves)
    kept = (f"{TAG}version.", *(f"{TAG}{name}" for name in ABOUT))
    about = {name.removeprefix(TAG): text for name, text in tags.items() if name.startswith(kept)}
    status: Any = tags[f"{TAG}status"]
    return Run(status, json.loads(tags[f"{TAG}summary"]), history, about, arrays or {})


def setting_of(cell: Cell) -> str:
    """The setting that a tuning cell tries, as JSON; `null` for an evaluation, tuned or not."""
    return json.dumps(plain(cell.setting)) if cell.purpose == "tune" else "null"


def to_frame(runs: Mapping[Cell, Run]) -> pd.DataFrame:
    """Runs as a long DataFrame with `COLUMNS`.

    The summary has step `SUMMARY`. A point of a curve has its step; on a curve over layers that is
    the number of the layer.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for cell, run in runs.items():
        setting = json.dumps(plain(cell.setting))
        about = (cell.ablation, cell.scale, cell.arm, cell.seed, cell.purpose, setting, run.status)
        rows += [(*about, name, SUMMARY, value) for name, value in run.summary.items()]
        rows += [(*about, *point) for point in run.history]
        rows += [] if run.summary or run.history else [(*about, "", SUMMARY, float("nan"))]
    return pd.DataFrame(rows, columns=COLUMNS)


def times(record: Mapping[str, Any]) -> tuple[int, int, int]:
    """When a record's run began and ended, and since when such a run counts, in ms.

    Only the duration is kept: another ablation may have made the run at another time.
    """
    end, seconds = int(1000 * record["ended"]), float(record["run"]["provenance"].get("wall", 0))
    return end - int(1000 * seconds), end, int(1000 * record.get("since", 0.0))


def is_record(record: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a value from JSON is a record that can be stored, and made a run again."""
    try:
        tags, _ = to_tags(record)
        from_record(record)
        times(record)
        kinds = [(record["ended"], float), (record["cell"]["params"], dict)]
        return all(isinstance(x, kind) for x, kind in [*kinds, *((t, str) for t in tags.values())])
    except Exception:  # noqa: BLE001  (anything may be in it, such as arrays that numpy can't read)
        return False
