"""The pytest plugin: options, parametrization, outcomes, progress, and the table of verdicts. The only importer of pytest.

A test module that declares `ABLATION` gets its tests parametrized: `cell` over the ablation's cells, `claim` over its claims.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dlgbench.ablation import IMAGES, Ablation, Cell, Run, declares, find_root, load, named
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.scale import SCALES

if TYPE_CHECKING:
    from dlgbench.recipe import Recipe
    from dlgbench.runner import Runner
    from dlgbench.tracking import Store

SETTINGS = pytest.StashKey[dict[str, Any]]()
LEFT_OUT = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `pytest ablations`."""
    group = parser.getgroup("dlgbench", "dlgbench: ablations")
    group.addoption(
        "--scale",
        choices=[*SCALES, "auto"],
        default="auto",
        help="how much to run: smoke (plumbing), cpu, gpu; default: gpu with CUDA, else cpu",
    )
    group.addoption(
        "--data",
        choices=IMAGES,
        help="ask on these images instead of an ablation's own: does the claim replicate?",
    )
    group.addoption(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (default: MLFLOW_TRACKING_URI, else mlflow.db in the root folder)",
    )
    group.addoption(
        "--data-root",
        metavar="DIR",
        help="where data sets lie (default: DLGBENCH_DATA, else ~/.cache/dlgbench)",
    )
    group.addoption("--rerun", action="store_true", help="train every cell again, finished or not")


def pytest_configure(config: pytest.Config) -> None:
    """Fixes what all workers must agree on: scale, store, the time from which runs count."""
    config.addinivalue_line("markers", "timing: measures time; runs alone")
    given = getattr(config, "workerinput", {}).get("dlgbench")
    if config.getoption("--data-root"):
        os.environ["DLGBENCH_DATA"] = str(Path(config.getoption("--data-root")).resolve())
    from dlgbench.tracking import find_uri

    root, scale = find_root(config.invocation_params.dir), config.getoption("--scale")
    config.stash[SETTINGS] = given or {
        "scale": scale if scale != "auto" else "",
        "data": config.getoption("--data") or "",
        "root": str(root),
        "uri": find_uri(root, config.getoption("--tracking-uri")),
        "since": time.time() if config.getoption("--rerun") else 0.0,
    }
    if given is None:
        from dlgbench.progress import Progress

        config.pluginmanager.register(Progress(config), "dlgbench-progress")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: a worker takes its settings from the controller."""
    node.workerinput["dlgbench"] = node.config.stash[SETTINGS]


def scale_here() -> str:
    """`gpu` where torch finds CUDA, else `cpu`; torch is only asked where there is an NVIDIA driver."""
    if not Path("/proc/driver/nvidia/version").exists() and not Path("/dev/nvidiactl").exists():
        return "cpu"
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"


def scale_of(config: pytest.Config) -> str:
    """The scale of this session."""
    settings = config.stash[SETTINGS]
    settings["scale"] = settings["scale"] or scale_here()
    return str(settings["scale"])


def asked(config: pytest.Config, ablation: Ablation) -> Ablation:
    """The ablation as this session asks it: on its own data, or on what `--data` names."""
    data = config.stash[SETTINGS]["data"]
    return ablation.with_data(data) if data else ablation


def store_of(config: pytest.Config) -> Store:
    """The session's tracking store."""
    from dlgbench.tracking import Store

    return Store(config.stash[SETTINGS]["uri"], Path(config.stash[SETTINGS]["root"]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`cell` runs over the cells of the module's ABLATION, tuning first; `claim` over the claims."""
    ablation = getattr(metafunc.module, "ABLATION", None)
    if not isinstance(ablation, Ablation) or not {"cell", "claim"} & set(metafunc.fixturenames):
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
    scale = scale_of(metafunc.config)
    ablation = asked(metafunc.config, named(ablation, Path(metafunc.module.__file__)))
    if "cell" in metafunc.fixturenames:
        cells = [(ablation, cell) for cell in ablation.cells(scale)]
        metafunc.parametrize("cell", cells, ids=[cell.id for _, cell in cells])
    if "claim" in metafunc.fixturenames:
        claims = [(ablation, claim) for claim in ablation.claims_at(scale)]
        metafunc.parametrize("claim", claims, ids=[claim.id for _, claim in claims])


@pytest.hookimpl(trylast=True)  # after -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--data`, what is trained on no images has nothing to be asked again, and what does not go with these images can't be."""
    if not config.stash[SETTINGS]["data"]:
        return
    scale = scale_of(config)
    asked_again = {param[0].name: param[0] for item in items if (param := _param(item))}
    images = {name for name, ablation in asked_again.items() if _changed(ablation, scale)}
    why = (
        {}
        if config.getoption("collectonly")
        else {
            name: reason
            for name in sorted(images)
            if (reason := _why_not(asked_again[name], scale))
        }
    )
    left = {
        item
        for item in items
        if (param := _param(item)) and (param[0].name not in images or param[0].name in why)
    }
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]
    config.stash[LEFT_OUT] = why
    getattr(config, "workeroutput", {})["dlgbench"] = why


def _why_not(ablation: Ablation, scale: str) -> str:
    """Why the images that stand in do not suit an ablation: too few for it, or too small for a net; "" where they do, or where its own fare no better."""
    from dlgbench.data import load as load_data
    from dlgbench.train import check

    def complaint(recipe: Recipe) -> str:
        try:
            check(recipe, scale)
        except DlgbenchError as error:
            return str(error)
        return ""

    try:
        load_data(ablation.data)
    except DlgbenchError:
        return ""  # that is no matter of this ablation: preflight says it, once
    own = dataclasses.replace(ablation, data="")
    for arm in _changed(ablation, scale):
        if (reason := complaint(ablation.arm(arm, scale))) and not complaint(own.arm(arm, scale)):
            return reason
    return ""


def _changed(ablation: Ablation, scale: str) -> list[str]:
    """The arms that other images stand in for: those that are trained on images, and not on these."""
    own = dataclasses.replace(ablation, data="")
    return [
        arm for arm in ablation.arms_at(scale) if ablation.arm(arm, scale) != own.arm(arm, scale)
    ]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """xdist: a worker tells what it left out."""
    node.config.stash.setdefault(LEFT_OUT, {}).update(
        getattr(node, "workeroutput", {}).get("dlgbench", {})
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """An ablation that makes no sense, or can't be read, is one message, not a traceback."""
    report = yield
    raised = getattr(getattr(report, "call", None), "excinfo", None)
    file = Path(str(getattr(collector, "path", "")))
    if raised is None or not file.is_file() or not declares(file):
        return report
    error = (
        raised.value.__cause__
        if isinstance(raised.value, pytest.Collector.CollectError)
        else raised.value
    )
    if isinstance(error, DlgbenchError):
        report.longrepr = str(error)
    elif isinstance(error, (TypeError, SyntaxError, NameError, ImportError)):
        lines = [entry.lineno + 1 for entry in raised.traceback if Path(entry.path) == file]
        report.longrepr = (
            f"{file}{f', line {lines[-1]}' if lines else ''}: {type(error).__name__}: {error}"
        )
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without xdist, this session is the one that runs the tests."""
    found = {param[0].name: param[0] for item in session.items if (param := _param(item))}
    if (
        found
        and not hasattr(session.config, "workerinput")
        and not session.config.getoption("collectonly")
    ):
        preflight(session.config, list(found.values()))


def _param(item: pytest.Item) -> Any:
    params = getattr(getattr(item, "callspec", None), "params", {})
    given = params.get("cell") or params.get("claim")
    return given if isinstance(given, tuple) and isinstance(given[0], Ablation) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """With xdist, the controller looks before any worker starts."""
    settings = node.config.stash[SETTINGS]
    if settings.get("looked"):
        return
    settings["looked"] = True
    files = sorted({node.config.rootpath / item.partition("::")[0] for item in ids if "[" in item})
    try:
        ablations = [asked(node.config, load(file)) for file in files if declares(file)]
    except DlgbenchError as error:
        raise pytest.UsageError(str(error)) from None
    if ablations:
        preflight(node.config, ablations)


def preflight(config: pytest.Config, ablations: list[Ablation]) -> None:
    """Before any training: opens the store once, sends what is spooled, loads every data set and builds every model.

    Raises:
        pytest.UsageError: for the first that fails.
    """
    from dlgbench.train import check

    scale, store, name = scale_of(config), store_of(config), ""
    try:
        store.open()
        if pushed := store.push_spool():
            config.get_terminal_writer().line(
                f"dlgbench: {pushed} spooled runs sent to {store.uri}"
            )
        for ablation in ablations:
            name = f"{ablation.name}: "
            for recipe in {ablation.arm(arm, scale) for arm in ablation.arms_at(scale)}:
                check(recipe, scale)
    except DlgbenchError as error:
        raise pytest.UsageError(f"{name}{error}") from None


@pytest.fixture(scope="session")
def _runner(pytestconfig: pytest.Config) -> Runner:
    from dlgbench.runner import Runner

    return Runner(store_of(pytestconfig), pytestconfig.stash[SETTINGS]["since"])


@contextlib.contextmanager
def _one_message() -> Iterator[None]:
    """A user's mistake fails the test with its message alone."""
    try:
        yield
    except DlgbenchError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def measure(_runner: Runner, record_property: Any) -> Any:
    """`measure(cell)`: the cell's run, from the store where it is finished, else trained now."""

    def measure(cell: tuple[Ablation, Cell]) -> Run:
        before = _runner.trained
        with _one_message():
            run = _runner.run(*cell)
        record_property("dlgbench", {"trained": _runner.trained - before, "told": _runner.told()})
        return run

    return measure


@pytest.fixture
def judge(_runner: Runner, record_property: Any, pytestconfig: pytest.Config) -> Any:
    """`judge(claim)`: the verdict, stored. Supported passes; refuted fails, inconclusive is xfail, each with the verdict's line."""

    def judge(of: tuple[Ablation, Claim]) -> Verdict:
        ablation, claim = of
        scale, before = scale_of(pytestconfig), _runner.trained
        with _one_message():
            verdict = _runner.judge(ablation, scale)[claim]
        row: dict[str, Any] = {
            "ablation": ablation.name,
            "claim": claim.statement,
            "line": verdict.line(claim),
            "expect": claim.expect,
            "threshold": str(claim.threshold),
        }
        row |= {
            "as_expected": verdict.passes(claim),
            "figures": dataclasses.asdict(verdict),
            "trained": _runner.trained - before,
            "told": _runner.told(),
        }
        record_property("dlgbench", row)
        settle(claim, verdict, scale)
        return verdict

    return judge


def settle(claim: Claim, verdict: Verdict, scale: str) -> None:
    """Turns a verdict into pytest's outcome."""
    line = f"{claim.statement}: {verdict.line(claim)}"
    if scale == "smoke":
        pytest.skip("plumbing only")
    if verdict.verdict == "inconclusive" and claim.expect != "not supported":
        pytest.xfail(line)  # green never hides ignorance
    if verdict.passes(claim):
        return
    pytest.fail(f"{line}; expected {claim.expect}", pytrace=False)
