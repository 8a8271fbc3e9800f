"""An ablation: one question, its arms, its claims; and the cells and runs that answer it."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from dlgbench.claim import Claim, unique
from dlgbench.errors import DlgbenchError, unknown
from dlgbench.grouping import can_be_lanes
from dlgbench.metrics import SECONDS
from dlgbench.recipe import Recipe, frozen
from dlgbench.registry import DATA, PROBES, interchangeable, is_interchangeable
from dlgbench.scale import JUDGED, SCALES, TUNING_SEED, Scale
from dlgbench.training import Training

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
Purpose = Literal["tune", "evaluate"]
Work = Recipe | Training  # what a cell does: an object with `run(cell)`
Engine = Literal["single", "lanes"]  # what trains a recipe: `dlgbench.engine`, or `dlgbench.lanes`
LEAST_SEEDS = 5  # a verdict on a training needs at least this many paired seeds


@dataclasses.dataclass(frozen=True)
class Cell:
    """One arm x one seed at one scale: one pytest item, one MLflow run.

    Plain data; `cell.work.run(cell)` runs it. A tuning cell has a `setting`, the point of the arm's
    grid that it tries. An evaluation cell has none until `chosen` gives it the setting that the
    tuning chose; a cell of a rehearsal (`dlgbench.rehearsal`) has the first.
    """

    ablation: str
    arm: str
    seed: int
    scale: str
    work: Work
    purpose: Purpose = "evaluate"
    precision: str = "32"
    setting: Mapping[str, Any] | None = None
    slide: str = ""
    engine: Engine = "single"
    timing: bool = False  # it measures time, and so has the machine to itself

    def __post_init__(self) -> None:
        object.__setattr__(self, "setting", frozen(self.setting))

    def chosen(self, setting: Mapping[str, Any]) -> Cell:
        """The cell with the setting that the tuning chose."""
        return dataclasses.replace(self, work=self.work.override(setting), setting=setting)

    @property
    def id(self) -> str:
        """`dropout-s3` or `dropout-tune-lr=0.01-s1000`: the pytest id and the MLflow run's name."""
        if self.purpose == "evaluate":
            return f"{self.arm}-s{self.seed}"
        setting = (self.setting or {}).items()
        tried = "".join(f"-{name.rpartition('.')[2]}={value}" for name, value in setting)
        return f"{self.arm}-tune{tried}-s{self.seed}"


@dataclasses.dataclass(frozen=True)
class Run:
    """The result of a cell.

    Args:
        status: `finished`, or `diverged`: a loss was NaN or infinite; the metrics that were not
            reached before that are absent.
        summary: metric name to final value.
        history: (metric, step, value) in the order of the steps.
        provenance: device, versions, git commit, time, source code.
        arrays: name to picture or grid; only the first evaluation seed has them.
    """

    status: Literal["finished", "diverged"]
    summary: Mapping[str, float]
    history: tuple[tuple[str, int, float], ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict, compare=False)


def _once(method: Callable[..., T]) -> Callable[..., T]:
    """A method of a frozen object, which keeps what it returned, by the arguments."""

    @functools.wraps(method)
    def kept(self: Any, *args: Any) -> T:
        memory = self.__dict__.setdefault("_once", {})
        key = method.__name__, *args
        if key not in memory:
            memory[key] = method(self, *args)
        return memory[key]

    return kept


@dataclasses.dataclass(frozen=True)
class Ablation:
    """One question. Its file's place gives the name: `ablations/depth/test_x.py` is `depth/x`.

    It is about a `recipe`, or about a training function of your own, `train`, with its `config`.

    Args:
        question: the question, as one sentence.
        slide: the slide or slides it comes from.
        recipe: the base recipe, at its full size.
        train, config, metrics: your own training function; what arms may change; and the metrics
            that the function returns, with their meanings (`dlgbench.training.Training`).
        arms: for each arm, only what it changes in the recipe or the config, with dotted names.
        claims: the hypotheses, judged together (Holm).
        scales: for `cpu`, `gpu` and `paper`, what each changes: fields of the recipe or config,
            `seeds`, `tuning_seeds`, `precision`, and `arms`, the arms that run there (by default
            all of them); claims about other arms are left out there. `smoke` is a reduced `cpu`,
            with the `arms` under `smoke`; with `train` it is `cpu` with the changes under `smoke`.
            `cpu` or `gpu`, if it is not listed, changes nothing; `paper` is then what `gpu` is.
        tune: the grid, `{"lr": (0.01, 0.03, 0.1)}`, for every arm; or a grid per arm, all of one
            size, under the arms' names.
        select: the metric on the validation split by which a setting is chosen. The setting with
            the smallest mean over the tuning seeds is chosen, or the largest for an accuracy and
            the like (`dlgbench.metrics`). With a target on the validation split it may also be
            `steps_to_target`: a claim about speed needs the quickest setting, not the one that is
            best in the end.
        objection: what an expert would object to the whole ablation.
        timing: whether it measures time: `train` does, or a claim is about `seconds`. Its cells
            then run last, each alone on the machine, one by one, and their runs are never taken
            from another machine. A probe that measures time says so itself (`register_probe`).
        dataset_overrides: what changes in every arm that runs on another data set (`--data`),
            `{"fashion_mnist": {"target": {"val/error": 0.25}}}`.
        twin_of: for controls: the name of another ablation, `regularization/dropout`. Its recipe
            (or train, config and metrics) is taken over, and so are slide, scales, tune, select,
            timing and dataset_overrides where this one gives none. Settings of a scale are added to
            those of the other ablation's scale, except its `arms`; without `paper` those of its
            own `gpu` are added there too.
        override: what changes in the recipe or config of `twin_of`, with dotted names.
        name, file, protocol, data: filled in when the ablation is loaded: its place, its file's
            docstring, and the data set that replaces its own.

    Raises:
        DlgbenchError: for an arm, metric, field or scale that does not exist, grids of unequal
            size, too few seeds, or two equal claims.
    """

    question: str
    slide: str = ""
    recipe: Recipe | None = None
    arms: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    claims: Sequence[Claim] = ()
    scales: Mapping[str, Mapping[str, Any]] | None = None
    tune: Mapping[str, Any] | None = None
    select: str | None = None
    objection: str = ""
    timing: bool | None = None
    dataset_overrides: Mapping[str, Mapping[str, Any]] | None = None
    train: Callable[..., Mapping[str, float]] | None = None
    config: Mapping[str, Any] | None = None
    metrics: Mapping[str, str] | None = None
    twin_of: str = ""
    override: Mapping[str, Any] | None = None
    name: str = ""
    file: str = ""
    protocol: str = ""
    data: str = ""
    work: Work = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "claims", tuple(self.claims))
        for name in ("arms", "config", "metrics", "override"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        if not self.is_resolved:
            return  # a twin: `dlgbench.discovery` takes the rest from its parent when it is loaded
        where = f"ablation {self.question!r}"
        object.__setattr__(self, "work", _work(self, where))
        defaults: dict[str, Any] = {"tune": {}, "dataset_overrides": {}, "scales": {}}
        defaults |= {"select": "val/error", "timing": False}
        for name, default in defaults.items():
            came = getattr(self, name)
            object.__setattr__(self, name, frozen(default if came is None else came))
        scales = {"cpu": {}, "gpu": {}, **self._scales}
        object.__setattr__(
            self, "scales", frozen(scales | {"paper": scales.get("paper", scales["gpu"])})
        )
        _check(self, where)

    @property
    def is_resolved(self) -> bool:
        """Whether the ablation has work of its own; a twin has none before it is loaded."""
        return not self.twin_of

    @property
    def _scales(self) -> Mapping[str, Mapping[str, Any]]:
        return self.scales or {}

    def named(self, name: str, file: str, protocol: str = "") -> Ablation:
        """The same ablation at its place; it was checked when it was declared."""
        same = copy.copy(self)
        known = {key: work for key, work in vars(self).get("_once", {}).items() if key[0] == "arm"}
        at = {"name": name, "file": file, "protocol": protocol}
        vars(same).update(at, _once=known)  # cells have the name, arms have none
        return same

    def at(self, scale: str) -> Scale:
        """The scale as this ablation declares it; `smoke` is its `cpu`, cut down."""
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        if scale == "smoke":
            own = dict(self._scales.get("smoke", {}))
            arms = own.pop("arms", ())
            smoke = self.at("cpu").smoke(own if self.train else SCALES["smoke"].cut)
            return dataclasses.replace(smoke, arms=arms or smoke.arms)
        return SCALES[scale].override(self._scales[scale])

    @_once
    def arm(self, name: str, scale: str) -> Work:
        """The work of an arm at a scale: the base, changed by the scale and then by the arm."""
        at = self.at(scale)
        work = self.work.override(at.changes).override(self.arms[name])
        if self.data and work.data and work.data != self.data and self._stands_in(work.data):
            work = work.override(data=self.data).override(DATA[self.data].overrides)
            work = work.override((self.dataset_overrides or {}).get(self.data))
        return work.override(at.cut) if work.steps else work

    def _stands_in(self, data: str) -> bool:
        return data in DATA and DATA[data].kind == DATA[self.data].kind

    def with_data(self, data: str) -> Ablation:
        """The same question on another data set, under the name `question@data`.

        Arms on data sets of the same kind change; all others stay as they are.

        Raises:
            DlgbenchError: for a data set that can't stand in for any other.
        """
        if not is_interchangeable(data):
            raise unknown("data set that can stand in for others", data, interchangeable())
        return dataclasses.replace(self, name=f"{self.name}@{data}", data=data)

    def with_own_data(self) -> Ablation:
        """The same question on its own data."""
        return dataclasses.replace(self, data="")

    def arms_on_other_data(self, scale: str) -> list[str]:
        """The arms that run on the data set of `--data` instead of their own."""
        own, arms = self.with_own_data(), self.arms_at(scale)
        return [arm for arm in arms if self.arm(arm, scale) != own.arm(arm, scale)]

    def arms_at(self, scale: str) -> tuple[str, ...]:
        """The arms that run at a scale: those that it lists under `arms`, by default all."""
        return self.at(scale).arms or tuple(self.arms)

    def claims_at(self, scale: str) -> tuple[Claim, ...]:
        """The claims about arms that run at a scale."""
        arms = set(self.arms_at(scale))
        return tuple(
            claim for claim in self.claims if all(arm in arms for _, arm in claim.effect.needs)
        )

    def grid(self, arm: str, scale: str) -> list[dict[str, Any]]:
        """The settings that an arm tries: the product of its grid; [] for an arm without tuning."""
        if not self.tune or not self.arm(arm, scale).steps:
            return []
        grid = self.tune[arm] if _per_arm(self.tune) else self.tune
        points = itertools.product(*grid.values())
        settings = [dict(zip(grid, point, strict=True)) for point in points]
        return settings[: self.at(scale).grid_points]

    def works(self, scale: str) -> set[Work]:
        """What its cells train, but for rates, which build nothing else.

        That is each arm, with each setting of what its grid tries beside the learning rate, the
        weight decay and `optimizer_args`.
        """
        return {
            self.arm(arm, scale).override({k: v for k, v in setting.items() if not _is_rate(k)})
            for arm in self.arms_at(scale)
            for setting in self.grid(arm, scale) or [{}]
        }

    @_once
    def is_timed(self, arm: str, scale: str) -> bool:
        """Whether the cells of an arm measure time."""
        work = self.arm(arm, scale)
        probes = work.probes if isinstance(work, Recipe) else ()
        return bool(self.timing) or any(PROBES[name].timing for name in probes)

    @_once
    def engine(self, scale: str) -> Engine:
        """What trains this ablation's cells: `lanes` where these can train every arm.

        So what is paired was trained by one engine. What measures time is trained by itself.
        """
        if any(self.is_timed(arm, scale) for arm in self.arms_at(scale)):
            return "single"
        works = [self.arm(arm, scale) for arm in self.arms_at(scale)]
        fit = {can_be_lanes(work) for work in works if work.steps}
        return "lanes" if fit == {True} and self.at(scale).precision != "bf16" else "single"

    @_once
    def tuning(self, arm: str, scale: str) -> tuple[Cell, ...]:
        """The cells that try an arm's grid, on tuning seeds."""
        at, work, engine = self.at(scale), self.arm(arm, scale), self.engine(scale)
        return tuple(
            Cell(
                ablation=self.name,
                arm=arm,
                seed=TUNING_SEED + k,
                scale=scale,
                work=work.override(setting),
                purpose="tune",
                precision=at.precision,
                setting=setting,
                slide=self.slide,
                engine=engine,
                timing=self.is_timed(arm, scale),
            )
            for setting in self.grid(arm, scale)
            for k in range(at.tuning_seeds)
        )

    @_once
    def evaluation(self, arm: str, scale: str) -> tuple[Cell, ...]:
        """The cells that evaluate an arm, on seeds that no tuning uses."""
        at, work, engine = self.at(scale), self.arm(arm, scale), self.engine(scale)
        return tuple(
            Cell(
                ablation=self.name,
                arm=arm,
                seed=seed,
                scale=scale,
                work=work,
                precision=at.precision,
                slide=self.slide,
                engine=engine,
                timing=self.is_timed(arm, scale),
            )
            for seed in range(at.seeds)
        )

    def cells(self, scale: str) -> list[Cell]:
        """Every cell, tuning first."""
        arms = self.arms_at(scale)
        tuning = [cell for arm in arms for cell in self.tuning(arm, scale)]
        return tuning + [cell for arm in arms for cell in self.evaluation(arm, scale)]


def _work(ablation: Ablation, where: str) -> Work:
    """The base work, which scales and arms change."""
    if (ablation.recipe is None) == (ablation.train is None):
        came = "none" if ablation.recipe is None else "both"
        raise DlgbenchError(f"{where}: expected a recipe, or train with its config, got {came}")
    if ablation.train is None:
        assert ablation.recipe is not None
        return ablation.recipe
    try:
        return Training(ablation.train, ablation.config or {}, ablation.metrics or {})
    except DlgbenchError as error:
        raise DlgbenchError(f"{where}: {error}") from None


def _is_rate(field: str) -> bool:
    return field in ("lr", "weight_decay") or field.startswith("optimizer_args.")


def _per_arm(tune: Mapping[str, Any]) -> bool:
    return bool(tune) and all(isinstance(grid, Mapping) for grid in tune.values())


def _check(ablation: Ablation, where: str) -> None:
    """Refuses an ablation that makes no sense when it is declared, before anything is trained."""
    if not ablation.arms:
        raise DlgbenchError(f"{where}: expected at least one arm, got none")
    known = (*JUDGED, "smoke")
    for scale in set(ablation.scales or {}) - set(known):
        raise unknown("scale to declare", scale, known, where)
    if not ablation.train and (own := set((ablation.scales or {}).get("smoke", {})) - {"arms"}):
        raise DlgbenchError(
            f"{where}, scale smoke: expected arms alone, got {', '.join(sorted(own))}; a recipe is "
            "cut down by itself"
        )
    for scale in known:
        for arm in ablation.arms_at(scale):
            _check_arm(ablation, arm, scale, where)
    _check_tuning(ablation, where)
    _check_dataset_overrides(ablation, where)
    unique(ablation.claims, where)
    for claim in ablation.claims:
        _check_claim(ablation, claim, f"{where}, claim {claim.statement!r}")


def _check_arm(ablation: Ablation, arm: str, scale: str, where: str) -> None:
    if arm not in ablation.arms:
        raise unknown("arm", arm, ablation.arms, f"{where}, scale {scale}")
    where = f"{where}, arm {arm!r} at {scale}"
    try:
        work = ablation.arm(arm, scale)
        work.recorded()
    except DlgbenchError as error:
        raise DlgbenchError(f"{where}: {error}") from None
    random = isinstance(work, Training) or work.data is not None
    seeds = ablation.at(scale).seeds
    if random and scale != "smoke" and seeds < LEAST_SEEDS:
        wanted = f"at least {LEAST_SEEDS} seeds for a verdict on what is random"
        raise DlgbenchError(f"{where}: expected {wanted}, got {seeds}")


def _check_dataset_overrides(ablation: Ablation, where: str) -> None:
    for data, changes in (ablation.dataset_overrides or {}).items():
        if not is_interchangeable(data):
            kind = "data set that can stand in for others"
            raise unknown(kind, data, interchangeable(), f"{where}, dataset_overrides")
        for arm, name in itertools.product(ablation.arms, changes):
            if name in ablation.arms[arm]:
                raise DlgbenchError(
                    f"{where}: expected {name} to be set once, got it from arm {arm!r} and from "
                    f"dataset_overrides of {data}"
                )
        if not ablation.data:
            ablation.with_data(data)  # checks the arms on that data set


def _check_tuning(ablation: Ablation, where: str) -> None:
    if not ablation.tune:
        return
    grids = ablation.tune
    if not _per_arm(grids):
        grids = dict.fromkeys(ablation.arms, ablation.tune)
    for arm in set(grids) - set(ablation.arms):
        raise unknown("arm", arm, ablation.arms, f"{where}, tune")
    trained = {
        arm: scale
        for scale in JUDGED
        for arm in ablation.arms_at(scale)
        if ablation.arm(arm, scale).steps
    }
    _check_grids(ablation, grids, trained, where)
    choices = [ablation.arm(arm, scale).selectable() for arm, scale in trained.items()]
    for names in choices:
        if ablation.select not in names:
            kind = "metric on the validation split"
            raise unknown(kind, ablation.select, set.intersection(*choices), f"{where}, select")


def _check_grids(
    ablation: Ablation, grids: Mapping[str, Any], trained: Iterable[str], where: str
) -> None:
    """Refuses a grid that does not fit its arm, and arms with unequal tuning budgets."""
    if without := sorted(set(trained) - set(grids)):
        raise DlgbenchError(
            f"{where}: expected a grid for every arm, since budgets must be equal; tune has none "
            f"for {', '.join(without)}"
        )
    for arm in trained:
        for name in grids[arm]:
            if name in ablation.arms[arm]:
                raise DlgbenchError(
                    f"{where}: expected {name} to be set once, got it from arm {arm!r} and its grid"
                )
    for grid in grids.values():
        _check_grid(ablation.work, grid, f"{where}, tune")
    sizes = {arm: math.prod(len(points) for points in grids[arm].values()) for arm in trained}
    if len(set(sizes.values())) > 1:
        raise DlgbenchError(
            f"{where}: expected the same tuning budget for every arm, got grids of "
            f"{json.dumps(sizes)} points"
        )


def _check_grid(work: Work, grid: Mapping[str, Any], where: str) -> None:
    for name, points in grid.items():
        if not isinstance(points, tuple) or not points:
            raise DlgbenchError(f"{where}: {name}: expected a tuple of values, got {points!r}")
        for point in points:
            try:
                work.override({name: point})
            except DlgbenchError as error:
                raise DlgbenchError(f"{where}: {error}") from None


def _check_claim(ablation: Ablation, claim: Claim, where: str) -> None:
    for _, arm in claim.effect.needs:
        if arm not in ablation.arms:
            raise unknown("arm", arm, ablation.arms, where)
    scales = [scale for scale in JUDGED if claim in ablation.claims_at(scale)]
    if not scales:
        raise DlgbenchError(f"{where}: expected a scale that runs all of its arms, got none")
    for scale, (metric, arm) in itertools.product(scales, claim.effect.needs):
        known = ablation.arm(arm, scale).recorded()
        if metric not in known:
            raise unknown("metric", metric, known, f"{where}, arm {arm!r} at {scale}")
        if metric in SECONDS and not ablation.is_timed(arm, scale):
            raise DlgbenchError(
                f"{where}: expected timing=True of an ablation with a claim about {metric}, since "
                "other cells share the machine"
            )
