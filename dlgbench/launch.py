"""The launch of a session: checks of sources, data, store and cluster, and a plan of the time."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dlgbench import words
from dlgbench.ablation import Ablation
from dlgbench.errors import DlgbenchError
from dlgbench.interrupt import end_on_sigterm
from dlgbench.progress import PROGRESS, Progress
from dlgbench.scale import JUDGED
from dlgbench.session import session_of

if TYPE_CHECKING:
    from dlgbench.tracking import Store

CLUSTER = pytest.StashKey[Any]()  # a `Cluster`, with --ray
SECONDS = pytest.StashKey[dict[tuple[str, str], float | None]]()  # of a cell of an arm, by a plan
SAVED = pytest.StashKey[dict[str, set[str]]]()  # by an ablation's file
BEGAN = time.time()
SLOW = ("dlgbench.lanes.engine", "dlgbench.runner", "mlflow.store.tracking.sqlalchemy_store")


def prepare(
    config: pytest.Config, ablations: list[Ablation], files: list[Path], timed: Sequence[str] = ()
) -> None:
    """Before any training: loads all data, opens the store, sends spooled runs, builds all models.

    Args:
        config, ablations, files: of the session.
        timed: with --ray, the ablations of which something is timed here.

    Raises:
        pytest.UsageError: for the first of these that fails.
    """
    from dlgbench.preflight import refuse_missing

    end_on_sigterm()
    session = session_of(config)
    if config.getoption("--save-baseline") and session.scale == "smoke":
        raise pytest.UsageError(
            f"--save-baseline: expected scale {', '.join(JUDGED)}, got smoke: no verdicts"
        )
    if saved := _saved(config, ablations):
        raise pytest.UsageError(saved)
    try:
        session.sources = _sources(ablations, session.scale)
        refuse_missing(ablations, session.scale, trains=not session.ray, timed=timed)
        session.past()
        store = session.store()
        store.open()
        store.refuse_deleted(ablation.name for ablation in ablations)
        pushed, notes = store.push_spool()
        if pushed:
            notes.append(f"{pushed} spooled run{'s' * (pushed != 1)} sent to {store.uri}")
        if session.ray:
            notes += _connect(config, ablations, files)
        for note in filter(None, [store.notice, *notes]):
            config.get_terminal_writer().line(f"dlgbench: {note}")
        if session.scale != "smoke":
            config.get_terminal_writer().line(f"dlgbench: {_planned(config, ablations, store)}")
        if not session.ray:
            _check(config, ablations)
    except DlgbenchError as error:
        raise pytest.UsageError(str(error)) from None
    _freeze()


def warm_up() -> None:
    """Imports what a worker needs for its first cell: it does so while the controller checks."""
    from dlgbench.connection import load_client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages among themselves
        load_client()
        for name in SLOW:
            importlib.import_module(name)
    _freeze()


def _freeze() -> None:
    """What is imported stays: spares each garbage collection half a million objects.

    pytest alone makes five of them as it ends, and so do its workers.
    """
    if not gc.get_freeze_count():  # in a process that runs many sessions: not their garbage
        gc.freeze()


def _check(config: pytest.Config, ablations: list[Ablation]) -> None:
    """Loads the data and builds the models of ablations here."""
    from dlgbench.preflight import check, forget

    session, progress = session_of(config), _progress(config)
    for done, ablation in enumerate(ablations):
        progress.show_check(ablation.name, done, len(ablations))
        for work in ablation.works(session.scale):
            try:
                check(work, session.scale)
            except DlgbenchError as error:
                raise DlgbenchError(f"{ablation.name}: {error}") from None
    forget()


def _connect(config: pytest.Config, ablations: list[Ablation], files: list[Path]) -> list[str]:
    """Does so on the cluster; returns what the user must know of nodes that are left out."""
    from dlgbench.cluster import Cluster
    from dlgbench.node import pack

    session, root = session_of(config), Path(session_of(config).root)
    parcel = pack(root, files, ablations, session.data, session.scale)
    per_gpu, data_root = config.getoption("--workers-per-gpu"), config.getoption("--data-root")
    where = os.environ["DLGBENCH_DATA"] if data_root else ""
    cluster = config.stash[CLUSTER] = Cluster(session.ray, root, session.scale, per_gpu, where)
    end_on_sigterm()  # Ray has set a handler of its own
    notes = cluster.look(parcel)
    cluster.check([ablation.name for ablation in ablations])
    return notes


def _planned(config: pytest.Config, ablations: list[Ablation], store: Store) -> str:
    """What the session takes, in a line; a plan that fails stops no run."""
    from dlgbench import plan

    scale = session_of(config).scale
    try:
        arms = plan.plan(ablations, scale, store.seconds(scale))
        config.stash[SECONDS] = {(arm.ablation, arm.arm): arm.seconds for arm in arms}
        _progress(config).expect_seconds(_by_cell(config, ablations))
        return f"{plan.summary(arms, scale, _workers(config))}, if nothing is stored yet"
    except Exception as error:  # noqa: BLE001  (a user's parts may raise anything)
        return f"no plan of the time: {type(error).__name__}: {error}"


def _progress(config: pytest.Config) -> Progress:
    plugin: Any = config.pluginmanager.get_plugin(PROGRESS)
    return plugin


def _by_cell(config: pytest.Config, ablations: list[Ablation]) -> dict[tuple[Path, str], float]:
    """What each cell should take, by its file and id, where something is known of it.

    A cell that has the machine to itself counts once for each worker, since all wait for it.
    """
    session, seconds, workers = session_of(config), config.stash[SECONDS], _workers(config)
    return {
        (Path(session.root) / ablation.file, cell.id): took * (workers if cell.timing else 1)
        for ablation in ablations
        for cell in ablation.cells(session.scale)
        if (took := seconds[ablation.name, cell.arm])
    }


def _workers(config: pytest.Config) -> int:
    """The cells that are trained at once: on a cluster, or by xdist's workers."""
    if CLUSTER in config.stash:
        return sum(config.stash[CLUSTER].kinds.values())
    return len(config.getoption("tx", None) or [None])


def remember(config: pytest.Config, ablation: Ablation) -> None:
    """Keeps in mind the code of an ablation that was imported just now: its runs are of this code.

    Notes which of the user's files were saved since pytest began: they may have been imported as
    they were before.
    """
    from dlgbench.fingerprint import own_files

    works = ablation.works(session_of(config).scale)
    files = {file for work in works for file in own_files(work)}
    saved = {file.name for file in files if BEGAN < file.stat().st_mtime <= time.time()}
    config.stash.setdefault(SAVED, {})[ablation.file] = saved


def _saved(config: pytest.Config, ablations: list[Ablation]) -> str:
    """The message where files of ablations were saved since pytest began; else empty."""
    saved = config.stash.get(SAVED, {})
    names = {name for ablation in ablations for name in saved.get(ablation.file, ())}
    return words.changed_sources(sorted(names)) if names else ""


def note_changes(config: pytest.Config, ablations: list[Ablation]) -> None:
    """Notes that a worker began after a source file changed: its runs would be of other code.

    Its first test then ends the session. The first workers begin before the controller has read the
    files: with each test they say of which code it is.
    """
    session = session_of(config)
    own = _sources(ablations, session.scale)
    changed = [name for name, digest in own.items() if session.sources.get(name, digest) != digest]
    session.changed = words.changed_sources(changed) if changed else _saved(config, ablations)
    session.sources = own


def _sources(ablations: list[Ablation], scale: str) -> dict[str, str]:
    """A digest of the code of each ablation, as this process has imported it.

    Raises:
        DlgbenchError: for a name that is not registered.
    """
    from dlgbench.fingerprint import sources

    found = {}
    for ablation in ablations:
        by = ablation.engine(scale)
        try:
            found[ablation.name] = sources((work, by) for work in ablation.works(scale))
        except DlgbenchError as error:
            raise DlgbenchError(f"{ablation.name}: {error}") from None
    return found


def outlive(node: Any) -> None:
    """Drops what xdist sends to a worker that has just died, whose OSError would end the session.

    xdist is about to hear of the death: it then replaces the worker, whose first test fails, and
    gives the others out anew.
    """
    send = node.sendcommand

    def send_if_it_lives(name: str, **values: Any) -> None:
        with contextlib.suppress(OSError):  # of execnet: the connection is closed
            send(name, **values)

    node.sendcommand = send_if_it_lives
