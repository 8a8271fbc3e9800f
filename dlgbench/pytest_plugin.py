"""The pytest plugin: options, parametrization, outcomes, progress, and the table of verdicts. The only importer of pytest.

A test module that declares `ABLATION` gets its tests parametrized: `cell` over the ablation's cells, `claim` over its claims.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dlgbench.ablation import Ablation, Cell, Run, named
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.scale import SCALES

if TYPE_CHECKING:
    from dlgbench.runner import Runner
    from dlgbench.tracking import Store

SETTINGS = pytest.StashKey[dict[str, Any]]()
RUNNER = pytest.StashKey["Runner"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `pytest ablations`."""
    group = parser.getgroup("dlgbench", "dlgbench: ablations")
    group.addoption("--scale", choices=[*SCALES, "auto"], default="auto", help="how much to run: smoke (plumbing), cpu, gpu; default: gpu with CUDA, else cpu")
    group.addoption("--tracking-uri", metavar="URI", help="MLflow store (default: MLFLOW_TRACKING_URI, else mlflow.db in the root folder)")
    group.addoption("--data-root", metavar="DIR", help="where data sets lie (default: DLGBENCH_DATA, else ~/.cache/dlgbench)")
    group.addoption("--rerun", action="store_true", help="train every cell again, finished or not")


def pytest_configure(config: pytest.Config) -> None:
    """Fixes what all workers must agree on: scale, store, the time from which runs count."""
    config.addinivalue_line("markers", "timing: measures time; runs alone")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given = getattr(config, "workerinput", {}).get("dlgbench")
    if config.getoption("--data-root"):
        os.environ["DLGBENCH_DATA"] = str(Path(config.getoption("--data-root")).resolve())
    from dlgbench.tracking import find_uri

    scale = config.getoption("--scale")
    config.stash[SETTINGS] = given or {
        "scale": scale if scale != "auto" else "",
        "uri": find_uri(config.rootpath, config.getoption("--tracking-uri")),
        "since": time.time() if config.getoption("--rerun") else 0.0,
    }
    if given is None:
        from dlgbench.progress import Progress

        config.pluginmanager.register(Progress(config), "dlgbench-progress")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: a worker takes its settings from the controller."""
    settings = node.config.stash[SETTINGS]
    settings["scale"] = settings["scale"] or scale_here()
    node.workerinput["dlgbench"] = settings


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


def store_of(config: pytest.Config) -> Store:
    """The session's tracking store."""
    from dlgbench.tracking import Store

    return Store(config.stash[SETTINGS]["uri"], config.rootpath)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`cell` runs over the cells of the module's ABLATION, tuning first; `claim` over the claims."""
    ablation = getattr(metafunc.module, "ABLATION", None)
    if not isinstance(ablation, Ablation):
        return
    scale = scale_of(metafunc.config)
    ablation = named(ablation, Path(metafunc.module.__file__), metafunc.config.rootpath)
    if "cell" in metafunc.fixturenames:
        cells = [(ablation, cell) for cell in ablation.cells(scale)]
        metafunc.parametrize("cell", cells, ids=[cell.id for _, cell in cells])
    if "claim" in metafunc.fixturenames:
        claims = [(ablation, claim) for claim in ablation.claims_at(scale)]
        metafunc.parametrize("claim", claims, ids=[claim.id for _, claim in claims])


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Before any training: the store is opened once, what is spooled is sent, and data sets and models are checked."""
    ablations = {param[0].name: param[0] for item in session.items if (param := _param(item))}
    config = session.config
    if not ablations or config.getoption("collectonly") or hasattr(config, "workerinput"):
        return
    try:
        preflight(list(ablations.values()), scale_of(config), store_of(config), config)
    except DlgbenchError as error:
        raise pytest.UsageError(str(error)) from None


def _param(item: pytest.Item) -> tuple[Ablation, Cell | Claim] | None:
    params = getattr(getattr(item, "callspec", None), "params", {})
    return next((params[name] for name in ("cell", "claim") if name in params), None)


def preflight(ablations: list[Ablation], scale: str, store: Store, config: pytest.Config) -> None:
    """Opens the store, sends what is spooled, loads every data set and builds every model once.

    Raises:
        DlgbenchError: for the first that fails.
    """
    from dlgbench.train import check

    store.open()
    if pushed := store.push_spool():
        config.get_terminal_writer().line(f"dlgbench: {pushed} spooled runs sent to {store.uri}")
    for ablation in ablations:
        for recipe in {ablation.arm(arm, scale) for arm in ablation.arms_at(scale)}:
            try:
                check(recipe, scale)
            except DlgbenchError as error:
                raise DlgbenchError(f"{ablation.name}: {error}") from None


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
        record_property("dlgbench", {"cell": cell[1].id, "ablation": cell[0].name, "trained": _runner.trained - before, "status": run.status})
        return run

    return measure


@pytest.fixture
def judge(_runner: Runner, record_property: Any, pytestconfig: pytest.Config) -> Any:
    """`judge(claim)`: the verdict, stored. Supported passes; refuted fails, inconclusive is xfail, each with the verdict's line."""

    def judge(of: tuple[Ablation, Claim]) -> Verdict:
        ablation, claim = of
        scale = scale_of(pytestconfig)
        with _one_message():
            verdict = _runner.judge(ablation, scale)[claim]
            if scale != "smoke":
                _runner.store.save_verdict(ablation, scale, claim, verdict)
        row: dict[str, Any] = {"ablation": ablation.name, "claim": claim.statement, "verdict": verdict.verdict, "line": verdict.line(claim)}
        row |= {"effect": verdict.effect, "interval": list(verdict.interval), "n": verdict.n, "expect": claim.expect, "threshold": str(claim.threshold)}
        record_property("dlgbench", row)
        settle(claim, verdict, scale)
        return verdict

    return judge


def settle(claim: Claim, verdict: Verdict, scale: str) -> None:
    """Turns a verdict into pytest's outcome."""
    line = f"{claim.statement}: {verdict.line(claim)}"
    if scale == "smoke":
        pytest.skip("plumbing only")
    if verdict.passes(claim):
        return
    if verdict.verdict == "inconclusive":
        pytest.xfail(line)
    pytest.fail(f"{line}; expected {claim.expect}", pytrace=False)
