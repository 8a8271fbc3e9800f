"""A user's own training function as the work of a cell: plain torch, Lightning, JAX, anything."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgbench.errors import DlgbenchError, checked_name
from dlgbench.interrupt import interruptible
from dlgbench.recipe import changed, flat, frozen, plain

if TYPE_CHECKING:
    from dlgbench.ablation import Cell, Run

Log = Callable[[str, float, int], None]


@dataclasses.dataclass(frozen=True)
class Training:
    """A training function with its config. Frozen; `override` gives a changed copy.

    Args:
        function: `train(config, seed, log) -> {metric: number}`. `config` is a copy, as a dict;
            `seed` is an integer, and Python's, numpy's and torch's global random generators are
            already seeded with it; `log(metric, value, step)` adds a point to a learning curve. A
            function may have an argument `tuning`: whether this call is a tuning, which should
            leave the test split closed.
        config: what arms, grids and scales may change: numbers, strings, lists and dicts.
        metrics: what the function returns, metric to meaning. Names that begin with `test/` are
            dropped from a tuning; a function that has the argument `tuning` need not return them
            there.

    Raises:
        DlgbenchError: for a function that can't be called so, a config or metrics that make no
            sense.
    """

    function: Callable[..., Mapping[str, float]]
    config: Mapping[str, Any]
    metrics: Mapping[str, str]
    data = None  # a recipe names its data set; a training function loads its own data
    steps = 1  # a recipe with 0 steps trains nothing; a training function always trains

    def __post_init__(self) -> None:
        if not inspect.isfunction(inspect.unwrap(self.function)):
            wanted = "a function of (config, seed, log)"
            raise DlgbenchError(f"train: expected {wanted}, got {self.function!r}")
        function = inspect.unwrap(self.function)
        if function.__name__ == "<lambda>":
            raise DlgbenchError("train: expected a function with def, got a lambda")
        if outer := function.__code__.co_freevars:
            raise DlgbenchError(
                "train: expected a function that its file and config determine, got "
                f"{', '.join(outer)} from an enclosing function; put that into config"
            )
        object.__setattr__(self, "config", frozen(self.config))
        object.__setattr__(self, "metrics", frozen(self.metrics))
        if not self.metrics or not all(isinstance(text, str) for text in self.metrics.values()):
            wanted = 'a dict of what train returns, {"test/error": "share misclassified"}'
            raise DlgbenchError(f"metrics: expected {wanted}, got {plain(self.metrics)!r}")
        for name in self.metrics:
            checked_name(name, "metrics")
        for name in self.flat():
            checked_name(name, "config")
        try:
            inspect.signature(self.function).bind(*"csl", **self._tuning_argument(tuning=True))
        except TypeError as error:
            wanted = "a function of (config, seed, log)"
            raise DlgbenchError(
                f"train: expected {wanted}, got {function.__name__}: {error}"
            ) from None

    def run(self, cell: Cell) -> Run:
        """Calls the function once.

        Raises:
            DlgbenchError: for a function that returns other metrics than announced, or no numbers.
        """
        from dlgbench.ablation import Run

        tuning = cell.purpose == "tune"
        points: list[tuple[str, int, float]] = []

        def log(metric: str, value: float, step: int) -> None:
            name, where = checked_name(str(metric), "log"), f"log({metric!r})"
            points.append((name, _step(metric, step), _number(value, where)))

        options = self._tuning_argument(tuning=tuning)
        _seed(cell.seed)
        started = time.time()
        returned = interruptible(self.function, plain(self.config), cell.seed, log, **options)
        wall = time.time() - started
        summary = self._checked(returned, tuning=tuning)
        return Run(
            "finished" if all(map(math.isfinite, summary.values())) else "diverged",
            {metric: value for metric, value in summary.items() if math.isfinite(value)},
            tuple(point for point in points if math.isfinite(point[2])),
            {"started": f"{started:.3f}", "wall": f"{wall:.3f}", **_provenance(), **_code(cell)},
        )

    def _tuning_argument(self, *, tuning: bool) -> dict[str, bool]:
        """The argument `tuning`, for a function that has it."""
        return {"tuning": tuning} if "tuning" in inspect.signature(self.function).parameters else {}

    def _checked(self, returned: Any, *, tuning: bool) -> dict[str, float]:
        """The returned metrics as floats, if they are the announced ones."""
        if not isinstance(returned, Mapping):
            wanted = f"a dict with {', '.join(self.metrics)}"
            raise DlgbenchError(f"train: expected it to return {wanted}, got {returned!r}")
        came = set(map(str, returned))
        announced = set(self.metrics)
        if tuning and self._tuning_argument(tuning=tuning):  # it knows to leave the test split shut
            announced = {metric for metric in announced if not _is_test(metric)}
        missing, extra = sorted(announced - came), sorted(came - set(self.metrics))
        if missing or extra:
            parts = [f"{', '.join(missing)} announced and not returned"] if missing else []
            parts += [f"{', '.join(extra)} returned and not announced"] if extra else []
            raise DlgbenchError(
                f"train: expected the metrics that the ablation announces, "
                f"{', '.join(sorted(announced))}; got {'; '.join(parts)}"
            )
        kept = sorted(metric for metric in came if not (tuning and _is_test(metric)))
        return {metric: _number(returned[metric], f"train: {metric}") for metric in kept}

    def override(self, changes: Mapping[str, Any] | None = None, **more: Any) -> Training:
        """A copy with changes made in the config; a dotted name reaches inside.

        Raises:
            DlgbenchError: for a name that the config does not have.
        """
        config = changed(plain(self.config), {**(changes or {}), **more}, "entry of config")
        return dataclasses.replace(self, config=config)

    def recorded(self) -> dict[str, str]:
        """The metrics that a run records, with their meanings."""
        return dict(self.metrics)

    def selectable(self) -> set[str]:
        """The metrics by which a tuning may choose: all but those on the test split."""
        return {metric for metric in self.metrics if not _is_test(metric)}

    def to_json(self) -> str:
        """The function's name and its config as one line of JSON with sorted names."""
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        about = {"train": name, "config": plain(self.config)}
        if defaults := inspect.unwrap(self.function).__defaults__:
            about["defaults"] = repr(defaults)  # of a function that another one made
        return json.dumps(about, sort_keys=True)

    def flat(self) -> dict[str, Any]:
        """Dotted names of the config to values, for MLflow's params and for tables."""
        return flat(plain(self.config))

    @property
    def source(self) -> Path:
        """The file that defines the function."""
        return Path(inspect.getfile(inspect.unwrap(self.function)))


def _is_test(metric: str) -> bool:
    return metric.startswith("test/")


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DlgbenchError(f"{what}: expected a number, got {value!r}") from None


def _step(metric: str, step: Any) -> int:
    try:
        if not isinstance(step, (bool, str)) and int(step) == step >= 0:
            return int(step)
    except (TypeError, ValueError, OverflowError):
        pass
    wanted = "a step that is a whole number of at least 0"
    raise DlgbenchError(f"log({metric!r}): expected {wanted}, got {step!r}")


def _seed(seed: int) -> None:
    """Seeds Python's, numpy's and torch's global generators, and limits torch to one thread."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # for code that draws from the global generator
    torch.manual_seed(seed)
    torch.set_num_threads(1)


def _provenance() -> dict[str, str]:
    import torch

    from dlgbench.provenance import provenance

    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return provenance("cuda" if on_gpu else "cpu")


def _code(cell: Cell) -> dict[str, str]:
    from dlgbench.fingerprint import code_of

    return code_of(cell.work)
