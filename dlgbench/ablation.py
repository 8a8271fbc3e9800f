"""An ablation: one question, its arms, its claims; and the cells and runs that answer it."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from dlgbench.claim import Claim, unique
from dlgbench.errors import DlgbenchError, unknown
from dlgbench.metrics import recorded
from dlgbench.recipe import Recipe, frozen
from dlgbench.scale import SCALES, TUNING_SEED, Scale

Purpose = Literal["tune", "evaluate"]
IMAGES = (
    "mnist5k",
    "digits",
    "mnist",
    "fashion_mnist",
    "cifar10",
)  # sets of labelled images: a question asked on one can be asked on another
FITTED = {
    "digits": {"data_args.val": 200, "data_args.shrink": 1}
}  # what a set that stands in changes: digits are 8x8, and 1,200 without the test split
LEAST_SEEDS = 5  # fewer paired seeds than this carry no verdict on a training


@dataclasses.dataclass(frozen=True)
class Cell:
    """One arm x one seed at one scale: one pytest item, one MLflow run. Plain data: it pickles, and `train(cell)` is all it takes.

    A tuning cell has a `setting`, the point of the arm's grid that it tries. An evaluation cell of a tuned arm has none
    until `chosen` gives it the setting that won.
    """

    ablation: str
    arm: str
    seed: int
    scale: str
    recipe: Recipe
    purpose: Purpose = "evaluate"
    precision: str = "32"
    setting: Mapping[str, Any] | None = None
    slide: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "setting", frozen(self.setting))

    def chosen(self, setting: Mapping[str, Any]) -> Cell:
        """The cell with the setting that the tuning chose."""
        return dataclasses.replace(self, recipe=self.recipe.override(setting), setting=setting)

    @property
    def id(self) -> str:
        """`dropout-s3` or `dropout-tune-lr=0.01-s1000`: the pytest id and the MLflow run's name."""
        tried = "".join(
            f"-{name.rpartition('.')[2]}={value}" for name, value in (self.setting or {}).items()
        )
        return (
            f"{self.arm}-tune{tried}-s{self.seed}"
            if self.purpose == "tune"
            else f"{self.arm}-s{self.seed}"
        )


@dataclasses.dataclass(frozen=True)
class Run:
    """What came of a cell.

    Args:
        status: `finished`, or `diverged`: a loss was NaN or infinite; then the figures it never reached are absent.
        summary: metric name to final figure.
        history: (metric, step, value) in the order of the steps.
        provenance: device, versions, git commit, time.
    """

    status: Literal["finished", "diverged"]
    summary: Mapping[str, float]
    history: tuple[tuple[str, int, float], ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Ablation:
    """One question. Checked when declared; its file's place gives the name: `ablations/depth/test_x.py` is `depth/x`.

    Args:
        question: what is asked.
        slide: the slide or slides it comes from.
        recipe: the base, at its full size.
        arms: each only what it changes in the recipe, with dotted names.
        claims: the hypotheses, judged together (Holm).
        scales: for `cpu` and `gpu`, what each changes: recipe fields, `seeds`, `tuning_seeds`, `precision`, and `arms`, the
            arms that it runs (and with them the claims), where not all. `smoke` is `cpu` cut down.
        tune: the grid, `{"lr": (0.01, 0.03, 0.1)}`, for every arm; or a grid per arm, all of one size, under the arms' names.
        select: the metric on the validation split by which a setting is chosen; the smallest mean over the tuning seeds wins. Where the target is
            one on the validation split, `steps_to_target` is another: a claim about speed wants the quickest setting, not the best in the end.
        objection: what an expert would object to the whole.
        dataset_overrides: what another set of images that stands in changes in every arm that it is asked on, `{"fashion_mnist": {"target": {"val/error": 0.25}}}`.
        name, file, data: filled in when it is loaded: its place, and the set of images that stands in (`on`).

    Raises:
        DlgbenchError: for an arm, metric, field or scale that does not exist, unequal grids, too few seeds, two equal claims.
    """

    question: str
    slide: str
    recipe: Recipe
    arms: Mapping[str, Mapping[str, Any]]
    claims: Sequence[Claim]
    scales: Mapping[str, Mapping[str, Any]]
    tune: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    select: str = "val/error"
    objection: str = ""
    dataset_overrides: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    name: str = ""
    file: str = ""
    data: str = ""

    def __post_init__(self) -> None:
        for field in ("arms", "scales", "tune", "dataset_overrides"):
            object.__setattr__(self, field, frozen(getattr(self, field)))
        object.__setattr__(self, "claims", tuple(self.claims))
        _check(self)

    def at(self, scale: str) -> Scale:
        """The scale as this ablation declares it; `smoke` is its `cpu`, cut down."""
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        if scale == "smoke":
            return self.at("cpu").smoke()
        return SCALES[scale].override(self.scales[scale])

    def arm(self, name: str, scale: str) -> Recipe:
        """The recipe of an arm at a scale: the base, then what the scale changes, then what the arm changes."""
        at = self.at(scale)
        recipe = self.recipe.override(at.changes).override(self.arms[name])
        if self.data != recipe.data and self.data and recipe.data in IMAGES:
            recipe = (
                recipe.override(data=self.data)
                .override(FITTED.get(self.data))
                .override(self.dataset_overrides.get(self.data))
            )
        return recipe.override(at.cut) if recipe.steps else recipe

    def with_data(self, data: str) -> Ablation:
        """The same question on another set of labelled images, under the name `question@data`. Arms on anything else stay as they are.

        Raises:
            DlgbenchError: for a set that is none of `IMAGES`.
        """
        if data not in IMAGES:
            raise unknown("set of labelled images", data, IMAGES)
        return dataclasses.replace(self, name=f"{self.name}@{data}", data=data)

    def has_images(self, scale: str) -> bool:
        """Whether any arm is trained on labelled images, so that another set of them can stand in."""
        return any(self.arm(arm, scale).data in IMAGES for arm in self.arms_at(scale))

    def arms_at(self, scale: str) -> tuple[str, ...]:
        """The arms that run at a scale: those that it lists under `arms`, else all."""
        return self.at(scale).arms or tuple(self.arms)

    def claims_at(self, scale: str) -> tuple[Claim, ...]:
        """The claims that a scale's arms can answer."""
        arms = set(self.arms_at(scale))
        return tuple(
            claim for claim in self.claims if all(arm in arms for _, arm in claim.effect.needs)
        )

    def grid(self, arm: str, scale: str) -> list[dict[str, Any]]:
        """The settings that an arm tries: the product of its grid; empty for an arm that is not tuned."""
        if not self.arm(arm, scale).steps or not self.tune:
            return []
        grid = self.tune[arm] if _per_arm(self.tune) else self.tune
        settings = [
            dict(zip(grid, point, strict=True)) for point in itertools.product(*grid.values())
        ]
        return settings[: self.at(scale).grid_points]

    def tuning(self, arm: str, scale: str) -> list[Cell]:
        """The cells that try an arm's grid, on tuning seeds."""
        at, recipe = self.at(scale), self.arm(arm, scale)
        return [
            Cell(
                self.name,
                arm,
                TUNING_SEED + k,
                scale,
                recipe.override(setting),
                "tune",
                at.precision,
                setting,
                self.slide,
            )
            for setting in self.grid(arm, scale)
            for k in range(at.tuning_seeds)
        ]

    def evaluation(self, arm: str, scale: str) -> list[Cell]:
        """The cells that evaluate an arm, on seeds that no tuning uses."""
        at = self.at(scale)
        return [
            Cell(
                self.name,
                arm,
                seed,
                scale,
                self.arm(arm, scale),
                "evaluate",
                at.precision,
                None,
                self.slide,
            )
            for seed in range(at.seeds)
        ]

    def cells(self, scale: str) -> list[Cell]:
        """Every cell, tuning first."""
        return [
            *(cell for arm in self.arms_at(scale) for cell in self.tuning(arm, scale)),
            *(cell for arm in self.arms_at(scale) for cell in self.evaluation(arm, scale)),
        ]


def _per_arm(tune: Mapping[str, Any]) -> bool:
    return bool(tune) and all(isinstance(grid, Mapping) for grid in tune.values())


def _check(ablation: Ablation) -> None:
    """Refuses nonsense when it is declared, before a GPU hour is spent on it."""
    where = f"ablation {ablation.question!r}"
    if not ablation.arms:
        raise DlgbenchError(f"{where}: at least one arm is wanted; none came")
    if set(ablation.scales) != {"cpu", "gpu"}:
        raise DlgbenchError(
            f"{where}: scales must say what it takes at cpu and at gpu, and nothing else; {', '.join(ablation.scales) or 'none'} came"
        )
    for scale in ablation.scales:
        for arm in ablation.arms_at(scale):
            _check_arm(ablation, arm, scale, where)
    _check_tuning(ablation, where)
    for data, changes in ablation.dataset_overrides.items():
        if data not in IMAGES:
            raise unknown("set of labelled images", data, IMAGES, f"{where}, dataset_overrides")
        for clash in (
            (arm, name) for arm in ablation.arms for name in changes if name in ablation.arms[arm]
        ):
            raise DlgbenchError(
                f"{where}: arm {clash[0]!r} sets {clash[1]}, and dataset_overrides would set it again; leave it to one of them"
            )
        if not ablation.data:
            ablation.with_data(data)  # which checks the arms there
    unique(ablation.claims, where)
    for claim in ablation.claims:
        _check_claim(ablation, claim, f"{where}, claim {claim.statement!r}")


def _check_arm(ablation: Ablation, arm: str, scale: str, where: str) -> None:
    if arm not in ablation.arms:
        raise unknown("arm", arm, ablation.arms, f"{where}, scale {scale}")
    where = f"{where}, arm {arm!r} at {scale}"
    try:
        recipe = ablation.arm(arm, scale)
        recorded(recipe)
    except DlgbenchError as error:
        raise DlgbenchError(f"{where}: {error}") from None
    if recipe.data is not None and ablation.at(scale).seeds < LEAST_SEEDS:
        raise DlgbenchError(
            f"{where}: a verdict on what chance has a hand in wants at least {LEAST_SEEDS} seeds; {ablation.at(scale).seeds} came"
        )


def _check_tuning(ablation: Ablation, where: str) -> None:
    if not ablation.tune:
        return
    grids = (
        ablation.tune if _per_arm(ablation.tune) else dict.fromkeys(ablation.arms, ablation.tune)
    )
    for arm in set(grids) - set(ablation.arms):
        raise unknown("arm", arm, ablation.arms, f"{where}, tune")
    trained = {
        arm: scale
        for scale in ablation.scales
        for arm in ablation.arms_at(scale)
        if ablation.arm(arm, scale).steps
    }
    if set(trained) - set(grids):
        raise DlgbenchError(
            f"{where}: tune gives {', '.join(sorted(set(trained) - set(grids)))} no grid, and others one; the budgets must be equal"
        )
    for clash in (
        (arm, name) for arm in trained for name in grids[arm] if name in ablation.arms[arm]
    ):
        raise DlgbenchError(
            f"{where}: arm {clash[0]!r} sets {clash[1]}, and its grid would set it again; leave it to one of them"
        )
    for grid in grids.values():
        _check_grid(ablation.recipe, grid, f"{where}, tune")
    sizes = {arm: math.prod(len(points) for points in grids[arm].values()) for arm in trained}
    if len(set(sizes.values())) > 1:
        raise DlgbenchError(
            f"{where}: every arm gets the same tuning budget; the grids have {json.dumps(sizes)} points"
        )
    recipes = [ablation.arm(arm, scale) for arm, scale in trained.items()]
    validated = [
        metric for recipe in recipes for metric in recorded(recipe) if metric.startswith("val/")
    ]
    if all(
        metric.startswith("val/") for recipe in recipes for metric in recipe.target or ("none",)
    ):
        validated.append("steps_to_target")
    if ablation.select not in validated:
        raise unknown(
            "metric on the validation split", ablation.select, set(validated), f"{where}, select"
        )


def _check_grid(recipe: Recipe, grid: Mapping[str, Any], where: str) -> None:
    for name, points in grid.items():
        if not isinstance(points, tuple) or not points:
            raise DlgbenchError(f"{where}: {name} wants a tuple of values; {points!r} came")
        for point in points:
            try:
                recipe.override({name: point})
            except DlgbenchError as error:
                raise DlgbenchError(f"{where}: {error}") from None


def _check_claim(ablation: Ablation, claim: Claim, where: str) -> None:
    for _, arm in claim.effect.needs:
        if arm not in ablation.arms:
            raise unknown("arm", arm, ablation.arms, where)
    scales = [scale for scale in ablation.scales if claim in ablation.claims_at(scale)]
    if not scales:
        raise DlgbenchError(f"{where}: no scale runs all of its arms")
    for scale, (metric, arm) in itertools.product(scales, claim.effect.needs):
        known = recorded(ablation.arm(arm, scale))
        if metric not in known:
            raise unknown("metric", metric, known, f"{where}, arm {arm!r} at {scale}")


def declares(file: Path) -> bool:
    """Whether a file declares an ablation: an `ABLATION` at its top, and a test that takes a `cell` or a `claim`."""
    text = file.read_text(errors="replace")
    return bool(re.search(r"^ABLATION\b", text, re.MULTILINE) and _tests(text, "cell|claim"))


def _tests(text: str, fixtures: str) -> bool:
    return bool(re.search(rf"^def test_\w+\(.*\b({fixtures})\b", text, re.MULTILINE))


def find_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds a pyproject.toml or ablations/, else the start: names, store and report hang on it."""
    start = start.resolve()
    return next(
        (
            folder
            for folder in (start, *start.parents)
            if (folder / "pyproject.toml").is_file() or (folder / "ablations").is_dir()
        ),
        start,
    )


def load(file: Path) -> Ablation:
    """The ABLATION that a file declares, with its name and file filled in.

    Raises:
        DlgbenchError: where the file has no ABLATION, or one that makes no sense.
    """
    spec = importlib.util.spec_from_file_location(f"_dlgbench_{file.stem}_{abs(hash(file))}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(file.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except DlgbenchError as error:
        raise DlgbenchError(f"{file}: {error}") from None
    except Exception as error:
        raise DlgbenchError(f"{file} can't be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.parent.resolve()))
    if not isinstance(getattr(module, "ABLATION", None), Ablation):
        raise DlgbenchError(
            f"{file}: an ablation file declares ABLATION = Ablation(...); none is there"
        )
    return named(module.ABLATION, file)


def named(ablation: Ablation, file: Path) -> Ablation:
    """The ablation with its name: the file's place below `ablations/` (or below the root), without `test_`."""
    file = file.resolve()
    if ablation.claims and file.is_file() and not _tests(file.read_text(errors="replace"), "claim"):
        raise DlgbenchError(
            f"{file} declares claims, and no test judges them; add: def test_claim(claim, judge): judge(claim)"
        )
    place = file.relative_to(find_root(file.parent))
    parts = [part for part in place.with_suffix("").parts if part != "ablations"]
    parts[-1] = parts[-1].removeprefix("test_")
    return dataclasses.replace(ablation, name="/".join(parts), file=place.as_posix())


def discover(folder: Path) -> list[Ablation]:
    """Every ablation below a folder, by path; or the one that a file declares.

    Raises:
        DlgbenchError: where the folder is not there or holds none.
    """
    files = [folder] if folder.is_file() else sorted(folder.rglob("test_*.py"))
    files = [file for file in files if declares(file)]
    if not files:
        raise DlgbenchError(
            f"no ablations below {folder}: a folder with test_*.py files that declare ABLATION is wanted; name one, or go to its repository"
        )
    return [load(file) for file in files]
