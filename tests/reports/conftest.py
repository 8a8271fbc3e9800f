"""Hand-made studies and the plots that they give; and a tiny store, filled once for all tests."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from dlgbench import (
    Ablation,
    Claim,
    Recipe,
    Run,
    at_least,
    at_most,
    difference,
    exactly,
    value,
)
from dlgbench.discovery import identify
from dlgbench.registry import FIGURES
from dlgbench.reports import style
from dlgbench.reports.study import Study
from dlgbench.tracking import Store

ABOUT = {"device": "Abacus (2 beads)"}
FILE = Path("ablations/mine/test_what.py")
SCALE = {"seeds": 5, "tuning_seeds": 1}


@pytest.fixture(scope="session")
def make_study():
    """`make_study(recipe, arms, result, claims)` -> Study; see `_study`."""
    return _study


@pytest.fixture(scope="session")
def curve():
    """`curve(name, values)` -> points of a history with steps 1, 2, ..."""
    return _curve


@pytest.fixture(scope="session")
def drawn():
    """`drawn(figure, study)` -> plots by name, not written; see `_drawn`."""
    return _drawn


def _study(recipe, arms, result, claims=(), *, tuned=None, **more):
    """A study whose evaluations `result(arm, seed)` gives: a Run's fields, None for a diverged one.

    `tuned(arm, lr)` gives the scores of the tuning runs. `recipe` is a dict, or None for a study of
    a training function, which `more` then holds.
    """
    base = {} if recipe is None else {"recipe": Recipe(**recipe)}
    scales = {"cpu": SCALE, "gpu": SCALE}
    declared = Ablation("What?", "Slide", arms=arms, claims=claims, scales=scales, **base, **more)
    ablation = identify(declared, FILE)
    runs = {}
    for cell in ablation.cells("cpu"):
        if cell.purpose == "tune":
            score = {ablation.select: tuned(cell.arm, cell.setting["lr"])}
            runs[cell] = Run("finished", score, (), ABOUT)
        elif (fields := result(cell.arm, cell.seed)) is None:
            runs[cell] = Run("diverged", {"seconds": 1.0}, (), ABOUT)
        else:
            runs[cell] = Run("finished", provenance=ABOUT, **{"summary": {}, **fields})
    return Study(ablation, "cpu", runs)


def _curve(name, values):
    return tuple((name, step, float(value)) for step, value in enumerate(values, 1))


def _drawn(figure, study):
    """The plots of a registered figure by name, with their captions checked."""
    with style.styled():
        plots = {plot.name: plot for plot in FIGURES[figure].make(study)}
    for plot in plots.values():
        assert "Device: Abacus (2 beads)." in plot.caption
        assert "n = " in plot.caption
        assert "Scale: cpu." in plot.caption
    return plots


@pytest.fixture
def rendered(tmp_path):
    """Draws a figure and writes its plots, in which a warning is an error."""

    def render(figure, study):
        plots = _drawn(figure, study)
        for plot in plots.values():
            style.write(plot, tmp_path)
        return plots

    return render


# the store --------------------------------------------------------------------------------------

PROVENANCE = ABOUT | {
    "git": "0123456789ab",
    "started": "1700000000.0",
    "wall": "2.5",
    "version.torch": "9.9.9",
}
ERRORS = {
    "none": [0.20, 0.22, 0.21, 0.23, 0.19],
    "trick": [0.10, 0.11, 0.12, 0.13, 0.09],
    "wild": [0.3, 0.31, 0.32, 0.33, 0.34],
}
IN_VAIN = [0.201, 0.219, 0.211, 0.229, 0.189]  # a trick that changes next to nothing
SCORES = {0.01: 0.3, 0.1: 0.2, 1.0: 0.4}  # of tuning runs
BEST = {"none": 0.1, "trick": 1.0, "wild": 0.1}  # where a tuning run scores 0.1
RECIPE = Recipe(
    model="mlp",
    data="mnist5k",
    model_args={"hidden": (8, 8)},
    steps=20,
    evaluations=2,
    probes=("gradients",),
)
TRICKS = Ablation(
    question="Does the <trick> help?",
    slide="Tricks & Treats",
    recipe=RECIPE,
    arms={"none": {}, "trick": {"model_args.dropout": 0.5}, "wild": {"optimizer": "adam"}},
    tune={"lr": tuple(SCORES)},
    scales={"cpu": SCALE, "gpu": {"seeds": 5}},
    claims=[
        Claim(
            "The trick lowers the test error",
            difference("test/error", "none", "trick"),
            at_least(0.05),
            published="half of it",
            source="Nobody 1999",
        ),
        Claim(
            "None is 0",
            value("test/error", "none"),
            at_most(0),
            expect="not supported",
            kind="twin",
        ),
        Claim(
            "Wild beats all",
            value("test/error", "wild"),
            at_most(0.2),
            kind="check",
            objection="It diverges.",
        ),
    ],
    objection="It is a toy.",
)
FIELD = Ablation(
    question="How far does it see?",
    slide="Fields",
    recipe=Recipe(model="conv_stack", steps=0, probes=("receptive_field",)),
    arms={"near": {}, "far": {"model_args.dilations": (1, 2)}},
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        Claim("It sees 7x7", value("receptive_field", "far"), exactly(7)),
        Claim("It sees 9x9", value("receptive_field", "near"), exactly(9), expect="refuted"),
    ],
)
DECLARED = {
    "controls/tricks": TRICKS,
    "mine/field": FIELD,
    "mine/again": TRICKS,  # the same on digits, not on Fashion-MNIST, half run on MNIST
    "controls/wider": TRICKS,  # was not run
}


@pytest.fixture(scope="session")
def ablations():
    """Name -> ablation."""
    named = {}
    for name, declared in DECLARED.items():
        folder, _, stem = name.partition("/")
        named[name] = identify(declared, Path(f"ablations/{folder}/test_{stem}.py"))
    return named


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """`once(name, fill)`: a folder that `fill(folder)` fills, once for all tests and workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def once(name, fill):
        folder = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not (folder / "done").exists():
                folder.mkdir()
                fill(folder)
                (folder / "done").touch()
        return folder

    return once


@pytest.fixture(scope="session")
def store(ablations, migrated, once):
    """A store with the runs of all ablations but `controls/wider`."""

    def at(root):
        return Store(f"sqlite:///{root / migrated.name}", root)

    def fill(root):
        shutil.copy(migrated, root)
        _fill(at(root), ablations)

    return at(once("reports-store", fill))


def _fill(store, ablations):
    again = ablations["mine/again"]
    for tricks in (ablations["controls/tricks"], again):
        _tune(store, tricks)
        _evaluate(store, tricks, ERRORS)
    _evaluate(store, again.with_data("digits"), ERRORS)
    _evaluate(store, again.with_data("fashion_mnist"), ERRORS | {"trick": IN_VAIN})
    half = again.with_data("mnist").evaluation("none", "cpu")[0]
    _save(store, half.chosen({"lr": 0.1}), {"test/error": 0.1})
    cells = ablations["mine/field"].cells("cpu")
    for cell, side in zip(cells, (3.0, 7.0), strict=True):
        _save(store, cell, {"receptive_field": side, "receptive_field/stride": 1.0})


def _tune(store, ablation):
    """Tuning runs with the best rate `BEST[arm]`."""
    for arm in ablation.arms:
        for cell in ablation.tuning(arm, "cpu"):
            rate = cell.setting["lr"]
            _save(store, cell, {"val/error": 0.1 if rate == BEST[arm] else SCORES[rate]})


def _evaluate(store, ablation, errors):
    """Evaluations with these errors, of which the last of `wild` diverged."""
    for arm in ablation.arms:
        for cell in ablation.evaluation(arm, "cpu"):
            error = errors[arm][cell.seed]
            learning = tuple(
                (name, step, error * scale)
                for name in ("val/error", "train/loss")
                for step, scale in ((10, 2.0), (20, 1.0))
            )
            layers = tuple(("gradient/by_layer", layer, 10.0**-layer) for layer in (1, 2))
            chosen = cell.chosen({"lr": BEST[arm]})
            if arm == "wild" and cell.seed == 4:
                _save(store, chosen, {"seconds": 1.0}, learning[:1], status="diverged")
            else:
                _save(store, chosen, {"test/error": error}, learning + layers)


def _save(store, cell, summary, history=(), status="finished"):
    fingerprint = f"{cell.ablation}-{cell.id}".replace("/", ".")
    store.save(cell, fingerprint, Run(status, summary, history, PROVENANCE))
