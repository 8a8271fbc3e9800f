"""Registries of parts: models, data sets, tasks, probes and so on, the suite's own and a user's.

A user registers a part at the top of an ablation file, or in a package that names an entry point:

    [project.entry-points."dlgbench.plugins"]
    mine = "my_package.parts"

The suite's own parts are registered when one is first looked up; entry points are loaded when a
name is not known yet, when all names are listed, and to tell a user's parts from the suite's. None
of this needs torch.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from dlgbench.errors import DlgbenchError, checked_name, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from dlgbench.data.arrays import Arrays

GROUP = "dlgbench.plugins"
Moment = Literal["start", "end", "test", "training"]
MOMENTS: tuple[Moment, ...] = ("start", "end", "test", "training")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """An entry of a registry.

    Args:
        name: the name in recipes.
        target: the object that was registered, or "module:attribute", which is imported when it is
            used.
        file, line: where it was registered.
    """

    name: str
    target: Any = dataclasses.field(repr=False)
    file: Path
    line: int

    @functools.cached_property
    def make(self) -> Any:
        """The object that was registered."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    @property
    def source(self) -> Path:
        """The file that a run's fingerprint covers.

        That is the module that `target` names, otherwise the one that registered the part.
        """
        if not isinstance(self.target, str):
            return self.file
        spec = importlib.util.find_spec(self.target.partition(":")[0])
        return self.file if spec is None or spec.origin is None else Path(spec.origin)

    @property
    def where(self) -> str:
        """`/path/to/file.py:12`."""
        return f"{self.file}:{self.line}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(Part):
    """An architecture: its builder, its origin, its task, and the test that proves it.

    `init` is the initialization for a recipe that names none; `default` keeps the weights that the
    constructor draws. `sides` are two sides of square inputs that the model takes, for the tests
    that run over the registry.
    """

    family: str
    year: int
    paper: str
    task: str
    init: str
    sides: tuple[int, int]
    proof: str

    @property
    def build(self) -> Callable[..., nn.Module]:
        """The builder."""
        return self.make

    @property
    def defaults(self) -> dict[str, Any]:
        """The defaults of the builder's arguments."""
        parameters = inspect.signature(self.build).parameters.values()
        return {each.name: each.default for each in parameters if each.default is not each.empty}

    def default(self, argument: str) -> Any:
        """The default of a builder's argument, such as `input_shape`; None where it has none."""
        return self.defaults.get(argument)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet(Part):
    """A data set.

    Data sets of one `kind` can stand in for each other; `overrides` is what a recipe changes then.
    `target_range` is the largest minus the least possible value of targets that are images.
    """

    kind: str
    overrides: Mapping[str, Any]
    target_range: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskPart(Part):
    """A task, with the metrics that it measures on each split in addition to the loss.

    In their meanings `{split}` stands for the name of the split. Those in `ranged` are measured
    only on data sets that announce the range of their targets.
    """

    metrics: Mapping[str, str]
    ranged: tuple[str, ...]

    def metrics_on(self, data: str | None) -> dict[str, str]:
        """The metrics that it measures on a data set, with their meanings."""
        known = data is not None and data in DATA and DATA[data].target_range is not None
        return {
            name: text for name, text in self.metrics.items() if known or name not in self.ranged
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe(Part):
    """A probe: when it measures, and the metrics that it records, each with its meaning.

    `timing` says that it measures time, `tried` that the checks before any training call it,
    `exact` which of the metrics are the same for every seed.
    """

    when: Moment
    metrics: Mapping[str, str]
    timing: bool = False
    tried: bool = True
    exact: frozenset[str] = frozenset()


P = TypeVar("P", bound=Part)
Target = TypeVar("Target")
T = TypeVar("T", bound="Callable[..., Any] | str")
Loader = TypeVar("Loader", bound="Callable[[], Arrays] | str")
Optimizer = TypeVar("Optimizer", bound="Callable[..., torch.optim.Optimizer]")
Schedule = TypeVar("Schedule", bound="Callable[[float], float]")
Fill = TypeVar("Fill", bound="Callable[[Tensor, torch.Generator], object]")
Module = TypeVar("Module", bound="type[nn.Module]")


class Registry(Mapping[str, P], Generic[P]):
    """The parts of one kind by name.

    Args:
        kind: the word for a part in error messages, such as "data set".
        builtin: the module that registers the suite's own parts when it is imported.
    """

    def __init__(self, kind: str, builtin: str) -> None:
        self.kind, self._builtin = kind, builtin
        self._parts: dict[str, P] = {}
        self._complete = False

    def _load_builtin(self) -> None:
        if not self._complete:
            self._complete = True  # before the import, in which the parts register themselves
            importlib.import_module(self._builtin)

    def add(self, part: P) -> None:
        """Adds a part. The same line of the same file, executed again, replaces its first part.

        Raises:
            DlgbenchError: where the name is taken.
        """
        self._load_builtin()
        first = self._parts.get(part.name)
        if first is not None and first.where != part.where:
            raise DlgbenchError(
                f"{self.kind} {part.name!r} is registered twice: first in {first.where}, "
                f"again in {part.where}"
            )
        self._parts[part.name] = part

    def __getitem__(self, name: str) -> P:
        if name not in self:
            raise unknown(self.kind, name, self._parts)
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        self._load_builtin()
        if name not in self._parts:
            load_plugins()
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        self._load_builtin()
        load_plugins()
        return iter(self._parts)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def registered_outside(self, folder: Path) -> list[P]:
        """The parts registered so far by files outside a folder; this imports nothing."""
        return [part for part in self._parts.values() if folder not in part.file.parents]


MODELS: Registry[Model] = Registry("model", "dlgbench.models")
DATA: Registry[DataSet] = Registry("data set", "dlgbench.data")
TASKS: Registry[TaskPart] = Registry("task", "dlgbench.tasks")
PROBES: Registry[Probe] = Registry("probe", "dlgbench.probes")
OPTIMIZERS: Registry[Part] = Registry("optimizer", "dlgbench.tasks.optimization")
SCHEDULES: Registry[Part] = Registry("schedule", "dlgbench.tasks.optimization")
INITIALIZATIONS: Registry[Part] = Registry("initialization", "dlgbench.layers.initialization")
ACTIVATIONS: Registry[Part] = Registry("activation", "dlgbench.layers.activations")
FIGURES: Registry[Part] = Registry("figure", "dlgbench.reports.figures")


def is_interchangeable(data: str) -> bool:
    """Whether a data set is registered with a kind, and so can stand in for others of it."""
    return data in DATA and bool(DATA[data].kind)


def interchangeable() -> tuple[str, ...]:
    """The data sets that can stand in for others of their kind."""
    return tuple(name for name, part in DATA.items() if part.kind)


@functools.cache
def load_plugins() -> None:
    """Imports every module that an installed package names in the entry point group, once.

    The group is `dlgbench.plugins`.

    Raises:
        DlgbenchError: for a module that can't be imported.
    """
    for plugin in metadata.entry_points(group=GROUP):
        try:
            plugin.load()
        except DlgbenchError as error:
            raise DlgbenchError(f"plugin {plugin.name} ({plugin.value}): {error}") from None
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise DlgbenchError(
                f"plugin {plugin.name} ({plugin.value}) can't be imported: {reason}"
            ) from error


def _caller(depth: int = 2) -> dict[str, Any]:
    """The file and line of the call, `depth` frames up, of a `register_...` function."""
    frame = sys._getframe(depth)  # noqa: SLF001  (inspect.stack reads every source file on the way)
    return {"file": Path(frame.f_code.co_filename).resolve(), "line": frame.f_lineno}


def _checked(metrics: Mapping[str, str], where: str) -> dict[str, str]:
    """The metrics, if the tracking store can take their names."""
    return {checked_name(metric, where): meaning for metric, meaning in metrics.items()}


def _decorator(registry: Registry[P], entry: Callable[[Any], P]) -> Callable[[Target], Target]:
    def register(target: Target) -> Target:
        registry.add(entry(target))
        return target

    return register


def _plain_decorator(registry: Registry[Part], name: str) -> Callable[[Target], Target]:
    """The decorator for parts that have nothing but a name."""
    place = _caller(3)
    return _decorator(registry, lambda target: Part(name=name, target=target, **place))


def register_model(
    name: str,
    *,
    family: str = "",
    year: int = 0,
    paper: str = "",
    task: str = "classification",
    init: str = "he",
    sides: tuple[int, int] = (28, 36),
    proof: str = "",
) -> Callable[[T], T]:
    """Registers a builder of a model, which recipes name as `model`.

    It is a function `f(input_shape=(C, H, W), num_classes=10, ...) -> nn.Module`, whose other
    keyword arguments are a recipe's `model_args`.

    Args:
        name: the name in recipes.
        family, year, paper, proof: for `dlgbench models`; `proof` names the test that proves the
            model.
        task: the task that the model is made for.
        init: the initialization for a recipe that names none; `default` keeps the weights that the
            constructor draws.
        sides: two sides of square inputs that the model takes, for tests over the registry.

    Raises:
        DlgbenchError: where the name is taken.
    """
    about: dict[str, Any] = {"family": family, "year": year, "paper": paper, "task": task}
    about |= {"init": init, "sides": sides, "proof": proof, **_caller()}
    return _decorator(MODELS, lambda target: Model(name=name, target=target, **about))


def register_data(
    name: str,
    *,
    kind: str = "",
    overrides: Mapping[str, Any] | None = None,
    target_range: float | None = None,
) -> Callable[[Loader], Loader]:
    """Registers a function `f() -> Arrays` (or "module:function"), which recipes name as `data`.

    Args:
        name: the name in recipes.
        kind: data sets of one kind can stand in for each other: `--data NAME` tests every claim on
            a data set of NAME's kind again on NAME. The suite's own kind is "labelled images".
        overrides: what a recipe changes to run on this data set instead of its own,
            `{"data_args.val": 200}`.
        target_range: of targets that are images, the largest minus the least possible value, as a
            network sees them: 1.0 for bytes. Without it there is no PSNR.

    Raises:
        DlgbenchError: where the name is taken.
    """
    about: dict[str, Any] = {"kind": kind, "overrides": dict(overrides or {}), **_caller()}
    about["target_range"] = target_range
    return _decorator(DATA, lambda target: DataSet(name=name, target=target, **about))


def register_task(
    name: str, *, metrics: Mapping[str, str], ranged: tuple[str, ...] = ()
) -> Callable[[T], T]:
    """Registers a subclass of `Task` (or "module:class"), which recipes name as `task`.

    Args:
        name: the name in recipes.
        metrics: the metrics that its method `metrics` returns for a split, name to meaning:
            `{"error": "share of the {split} split that is misclassified"}`. The loss is added.
        ranged: those of them that need the range of the targets, and are left out on data sets that
            do not announce it (`register_data`).

    Raises:
        DlgbenchError: where the name is taken.
    """
    about: dict[str, Any] = {"metrics": _checked(metrics, f"task {name}"), "ranged": ranged}
    about |= _caller()
    return _decorator(TASKS, lambda target: TaskPart(name=name, target=target, **about))


def register_probe(
    name: str,
    *,
    when: Moment,
    metrics: Mapping[str, str],
    timing: bool = False,
    tried: bool = True,
    exact: Collection[str] = (),
) -> Callable[[T], T]:
    """Registers a probe (or "module:attribute", where it is), which recipes name in `probes`.

    Args:
        name: the name in recipes.
        when: `start`, before the first step; `end`, after the last; `test`, after the last, on the
            test split; `training`, while the network trains. For the last the decorated object is a
            subclass of `Observer`, for the others a function `f(subject) -> Measurement`, or a dict
            of metrics.
        metrics: the numbers that it records, name to meaning. Claims may name them.
        timing: whether it measures time. Its cells then run last and alone on the machine, and are
            never taken from another machine (`dlgbench.Ablation`).
        tried: whether the checks before any training call it too. False for one that takes
            seconds; one that measures time is never called there.
        exact: those of the metrics that are the same for every seed since nothing random enters,
            such as a count of operations. Where their values do agree, claims about them alone are
            judged as exact numbers.

    Raises:
        DlgbenchError: where the name is taken, or for an unknown moment, or an exact metric that is
            not among the metrics.
    """
    if when not in MOMENTS:
        raise unknown("moment", when, MOMENTS, f"probe {name}")
    for metric in exact:
        if metric not in metrics:
            raise unknown("exact metric", metric, metrics, f"probe {name}")
    about: dict[str, Any] = {"when": when, "metrics": _checked(metrics, f"probe {name}")}
    about |= {"timing": timing, "tried": tried and not timing, "exact": frozenset(exact)}
    about |= _caller()
    return _decorator(PROBES, lambda target: Probe(name=name, target=target, **about))


def register_optimizer(name: str) -> Callable[[Optimizer], Optimizer]:
    """Registers an update rule, which recipes name as `optimizer`.

    It is called as `f(parameters, lr=..., weight_decay=..., **optimizer_args)`, like the classes of
    torch.optim.

    Raises:
        DlgbenchError: where the name is taken.
    """
    return _plain_decorator(OPTIMIZERS, name)


def register_schedule(name: str) -> Callable[[Schedule], Schedule]:
    """Registers a learning rate schedule, which recipes name as `schedule`.

    It is a function from the share t of the training that is done, 0 <= t < 1, to the factor of lr.

    Raises:
        DlgbenchError: where the name is taken.
    """
    return _plain_decorator(SCHEDULES, name)


def register_initialization(name: str) -> Callable[[Fill], Fill]:
    """Registers an initialization, which recipes name as `init`.

    It is a function f(w, generator) that fills a weight w of shape (out, in, ...) in place.

    Raises:
        DlgbenchError: where the name is taken.
    """
    return _plain_decorator(INITIALIZATIONS, name)


def register_activation(name: str) -> Callable[[Module], Module]:
    """Registers an nn.Module class without arguments, which models take as `activation`.

    Raises:
        DlgbenchError: where the name is taken.
    """
    return _plain_decorator(ACTIVATIONS, name)


def register_figure(name: str) -> Callable[[T], T]:
    """Registers a function `draw(study) -> list[Plot]`, which the report calls for each ablation.

    It returns an empty list where the study's runs have nothing for it to draw.

    Raises:
        DlgbenchError: where the name is taken.
    """
    return _plain_decorator(FIGURES, name)
