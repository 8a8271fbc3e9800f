"""The pytest plugin: its hooks, with the options and fixtures of two modules beside it.

A module that declares `ABLATION` is collected as it is: `test_cell` runs over the ablation's cells,
and `test_claim` over its claims. A module may define these two itself, and further tests that take
`cell` or `claim`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import subprocess
import sys
import types
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from dlgbench import devices, launch, rehearsal, spool
from dlgbench import session as sessions
from dlgbench.ablation import Ablation, Cell
from dlgbench.baseline import FOLDER
from dlgbench.claim import Claim
from dlgbench.discovery import declares, identify, load
from dlgbench.errors import DlgbenchError
from dlgbench.fixtures import (  # pytest finds the fixtures here
    _runner,  # noqa: F401
    ablation_of,
    judge,  # noqa: F401
    measure,  # noqa: F401
    test_cell,
    test_claim,
)
from dlgbench.interrupt import as_they_are
from dlgbench.launch import CLUSTER
from dlgbench.options import pytest_addoption  # noqa: F401
from dlgbench.progress import PROGRESS, Progress, uncaptured
from dlgbench.registry import is_interchangeable
from dlgbench.session import KEY, is_worker, session_of

CONTROLLER = os.getppid()  # of a worker of xdist


def pytest_configure(config: pytest.Config) -> None:
    """Makes the session, whose settings all workers share."""
    config.addinivalue_line("markers", "timing: measures time; runs last, and alone on the machine")
    if config.getoption("--data-root"):
        os.environ["DLGBENCH_DATA"] = str(Path(config.getoption("--data-root")).resolve())
    if config.getoption("--rehearse") and config.getoption("--scale") != "smoke":
        came = config.getoption("--scale")
        raise pytest.UsageError(f"--rehearse: expected --scale smoke, got {came}")
    config.add_cleanup(as_they_are())
    worker = is_worker(config)
    spool.say = functools.partial(_say, config)
    config.stash[KEY] = sessions.of_worker(config) if worker else sessions.start(config)
    if not worker:
        config.pluginmanager.register(Progress(config), PROGRESS)
    if config.getoption("--ablations") and config.args_source is not config.ArgsSource.ARGS:
        config.args = [str(_default_place(config))]  # a worker reads the command line anew


def _say(config: pytest.Config, text: str) -> None:
    """Writes to the real stderr."""
    with uncaptured(config):
        print(f"dlgbench: {text}", file=sys.stderr, flush=True)


def _default_place(config: pytest.Config) -> Path:
    """The folder of `--ablations` without a file or folder: ablations/, or the current one.

    Raises:
        pytest.UsageError: where neither has ablations.
    """
    folder = Path(session_of(config).root) / "ablations"
    here = config.invocation_params.dir
    if folder.is_dir():
        return folder
    if any(map(declares, here.glob("test_*.py"))):
        return here
    raise pytest.UsageError(
        f"expected a folder ablations/ in {folder.parent}, or test_*.py with an ABLATION here: go "
        "to the repository, or name a folder or file"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: a worker takes its session from the controller, which outlives it."""
    launch.outlive(node)
    session = session_of(node.config)
    session.share_gpus(node.config.getoption("--workers-per-gpu"))
    node.workerinput["dlgbench"] = dataclasses.asdict(session)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto` over ablations: a worker for each core that this process may use.

    Each worker has one torch thread. At scales gpu and paper the workers are spread over all GPUs,
    and there are at most `--workers-per-gpu` for each.
    """
    if not any(_holds_ablations(Path(arg.partition("::")[0])) for arg in config.args):
        return None
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers inherit it
    session, cores = session_of(config), devices.cores()
    session.share_gpus(config.getoption("--workers-per-gpu"))
    return min(cores, session.per_gpu * len(session.gpus)) if session.gpus else cores


def _holds_ablations(place: Path) -> bool:
    files = place.rglob("test_*.py") if place.is_dir() else [place]
    return any(map(declares, files))


# collection ---------------------------------------------------------------------------------------


def _add_tests(module: types.ModuleType, ablation: Ablation) -> None:
    """Adds `test_cell` and `test_claim` to a module with an ablation, unless it has its own."""
    wanted = [test_cell, *([test_claim] if ablation.claims else [])]
    for template in wanted:
        if not hasattr(module, template.__name__):
            code = template.__code__.replace(co_filename=str(module.__file__), co_firstlineno=1)
            function = types.FunctionType(code, template.__globals__, template.__name__)
            function.__doc__ = template.__doc__
            setattr(module, template.__name__, function)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Collects a module's ablation; a mistake in it, or a failing import, is one message."""
    file = Path(str(getattr(collector, "path", "")))
    declaring = collector if isinstance(collector, pytest.Module) and declares(file) else None
    if declaring is not None:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
        with contextlib.suppress(Exception, pytest.skip.Exception, pytest.fail.Exception):
            module = declaring.obj
            if isinstance(getattr(module, "ABLATION", None), Ablation):
                _add_tests(module, module.ABLATION)
                launch.remember(collector.config, identify(module.ABLATION, file))
    report = yield
    raised = getattr(getattr(report, "call", None), "excinfo", None)
    if raised is None or declaring is None:
        return report
    wrapped = isinstance(raised.value, pytest.Collector.CollectError)
    error = raised.value.__cause__ if wrapped else raised.value
    if isinstance(error, DlgbenchError):
        report.longrepr = str(error)
    elif isinstance(error, (TypeError, SyntaxError, NameError, ImportError)):
        lines = [entry.lineno + 1 for entry in raised.traceback if Path(entry.path) == file]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        report.longrepr = f"{where}: {type(error).__name__}: {error}"
    return report


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes `cell` by the cells of the module's ABLATION, and `claim` by its claims."""
    ablation = getattr(metafunc.module, "ABLATION", None)
    wanted = {"cell", "claim"} & set(metafunc.fixturenames)
    if not isinstance(ablation, Ablation) or not wanted:
        return
    session = session_of(metafunc.config)
    _register_all(metafunc.config)
    ablation = session.on_its_data(identify(ablation, Path(str(metafunc.module.__file__))))
    if "cell" in wanted:
        cells = ablation.cells(session.scale)
        if session.rehearsal:
            cells += rehearsal.cells(ablation)
        of_cells = [_param(ablation, cell, timing=cell.timing) for cell in cells]
        metafunc.parametrize("cell", of_cells)
    if "claim" in wanted:
        arms = ablation.arms_at(session.scale)
        timing = any(ablation.is_timed(arm, session.scale) for arm in arms)  # it may run any cell
        claims = ablation.claims_at(session.scale)
        metafunc.parametrize("claim", [_param(ablation, claim, timing=timing) for claim in claims])


def _param(ablation: Ablation, of: Cell | Claim, *, timing: bool) -> Any:
    return pytest.param((ablation, of), id=of.id, marks=[pytest.mark.timing] if timing else [])


def _register_all(config: pytest.Config) -> None:
    """Loads all ablation files where `--data` names an unknown set: one of them may register it."""
    data = session_of(config).data
    if not data or is_interchangeable(data):
        return
    for arg in config.args:
        place = config.invocation_params.dir / arg.partition("::")[0]
        files = sorted(place.rglob("test_*.py")) if place.is_dir() else [place]
        for file in filter(declares, files):
            with contextlib.suppress(DlgbenchError):
                load(file)


@pytest.hookimpl(trylast=True)  # after -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What measures time comes last, since it waits until it has the machine to itself.

    With `--data`, leaves out the ablations that do not change, and those that do not suit it.
    """
    session = session_of(config)
    items.sort(key=lambda item: bool(ablation_of(item) and item.get_closest_marker("timing")))
    if not session.data:
        return
    asked = {ablation.name: ablation for item in items if (ablation := ablation_of(item))}
    changed = {name for name in asked if asked[name].arms_on_other_data(session.scale)}
    if not config.getoption("collectonly"):
        from dlgbench.preflight import why_unsuited

        reasons = {name: why_unsuited(asked[name], session.scale) for name in sorted(changed)}
        session.unsuited |= {name: reason for name, reason in reasons.items() if reason}
    kept = changed - set(session.unsuited)
    left = [item for item in items if (of := ablation_of(item)) and of.name not in kept]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
    getattr(config, "workeroutput", {})["dlgbench"] = session.unsuited


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """xdist: takes over what a worker found that the data set does not suit; notes that it died."""
    if error:
        node.config.pluginmanager.get_plugin(PROGRESS).has_lost_worker = True
    session_of(node.config).unsuited |= getattr(node, "workeroutput", {}).get("dlgbench", {})


# preflight ----------------------------------------------------------------------------------------


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without xdist, this process is the one that runs the tests."""
    found = {ablation.name: ablation for item in session.items if (ablation := ablation_of(item))}
    if not found or session.config.getoption("collectonly"):
        return
    if is_worker(session.config):
        launch.note_changes(session.config, list(found.values()))
    else:
        ours = [(item, ablation) for item in session.items if (ablation := ablation_of(item))]
        files = sorted({item.path for item, _ in ours})
        timed = {of.name for item, of in ours if item.get_closest_marker("timing")}
        launch.prepare(session.config, list(found.values()), files, sorted(timed))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """A worker, whose list has been sent, has time until the controller has checked."""
    if is_worker(session.config) and any(map(ablation_of, session.items)):
        launch.warm_up()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker whose controller was killed meanwhile ends here: xdist's end would be a warning."""
    is_ours = is_worker(session.config) and any(map(ablation_of, session.items))
    if is_ours and os.getppid() != CONTROLLER:
        os._exit(pytest.ExitCode.INTERRUPTED)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """With xdist, the controller checks before any worker starts; one worker's list is enough."""
    progress = node.config.pluginmanager.get_plugin(PROGRESS)
    if progress.is_checked:
        return
    progress.is_checked = True
    session = session_of(node.config)
    files = _ablation_files(node.config, ids)
    _register_all(node.config)
    try:
        for file in files:
            load(file)  # all first: one may register a part that another names
        ablations = [session.on_its_data(load(file)) for file in files]
    except DlgbenchError as error:
        raise pytest.UsageError(str(error)) from None
    if ablations:
        launch.prepare(node.config, ablations, files)


def _ablation_files(config: pytest.Config, ids: list[str]) -> list[Path]:
    """The files of the tests of cells and claims."""
    names = ("::test_cell[", "::test_claim[")
    ours = {item.partition("::")[0] for item in ids if any(name in item for name in names)}
    return [file for file in (config.rootpath / name for name in sorted(ours)) if declares(file)]


# the report ---------------------------------------------------------------------------------------


def _wants_page(config: pytest.Config) -> bool:
    return bool(config.getoption("--save-baseline") or not config.getoption("--no-report"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Makes the page at the end of the session, in a process of its own."""
    progress = config.pluginmanager.get_plugin(PROGRESS)
    if CLUSTER in config.stash:
        config.stash[CLUSTER].close()
    if progress is not None:
        devices.forget(session_of(config).id)
    if progress is None or not progress.is_finished or not _wants_page(config):
        return
    session = session_of(config)
    if session.scale == "smoke":
        return
    command = [sys.executable, "-m", "dlgbench", "report", "--scale", session.scale]
    command += ["--tracking-uri", session.uri]
    if config.getoption("--save-baseline"):
        command += ["--reference", str(Path(session.root) / FOLDER)]
    folder = Path(session.root) / "ablations"
    outside = [file for file in progress.files if folder not in file.parents]
    if len(outside) < len(progress.files):
        outside.insert(0, folder)  # all of the repository's, as they are in the store
    command += map(str, outside)
    config.get_terminal_writer().flush()
    done = subprocess.run(command, cwd=session.root, check=False)
    if done.returncode and config.getoption("--save-baseline"):
        raise SystemExit(done.returncode)  # it has said why there is no baseline
