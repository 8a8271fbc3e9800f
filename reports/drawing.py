"""Draws the plots of ablations: side by side, and again only where something changed.

Beside the plots of an ablation lies `drawn.json`: a digest of all that they were drawn from, and
what the page says of them. A section is drawn again where the digest differs (another run, another
declaration, other code of the figures or of a user's own figure, another version of a library), a
file is gone, or a figure failed.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import hashlib
import json
import multiprocessing
import os
import platform
import signal
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

from dlgbench.fingerprint import PACKAGE, code_digest, with_imports
from dlgbench.recipe import plain
from dlgbench.registry import FIGURES, Part
from dlgbench.reports import style
from dlgbench.reports.study import Study, with_curves
from dlgbench.reports.style import Plot
from dlgbench.tracking import Store

HERE = Path(__file__).parent
RECORD = "drawn.json"
LIBRARIES = ("matplotlib", "numpy", "pandas", "scipy", "seaborn")
USED = ("stats.py", "judging.py", "metrics.py", "claim.py", "records.py")  # by the figures


@dataclasses.dataclass(frozen=True)
class Picture:
    """A plot as the page shows it; its files are `name.svg`, `name.png` and `name.csv`.

    `width` and `height` are in inches.
    """

    name: str
    title: str
    caption: str
    width: float
    height: float


@dataclasses.dataclass(frozen=True)
class Drawing:
    """The plots of one ablation, and a line for each figure that failed."""

    plots: tuple[Picture, ...] = ()
    problems: tuple[str, ...] = ()


# one section --------------------------------------------------------------------------------------


def draw(study: Study, folder: Path) -> Drawing:
    """Every registered plot that the study's runs allow, written into the folder.

    A figure that fails costs its own plots and no others: it becomes a line.
    """
    pictures: list[Picture] = []
    problems: list[str] = []
    for figure in FIGURES.values():
        try:
            with style.styled():
                drawn = _checked(figure.make(study), {plot.name for plot in pictures})
            for plot in drawn:
                style.write(plot, folder)
        except Exception as error:  # noqa: BLE001  (a user's figure may raise anything)
            problems.append(_problem(figure, study, error))
        else:
            pictures += map(_picture, drawn)
    return Drawing(tuple(pictures), tuple(problems))


def _picture(plot: Plot) -> Picture:
    width, height = map(float, plot.figure.get_size_inches())
    return Picture(plot.name, plot.title, plot.caption, width, height)


def _checked(drawn: object, taken: set[str]) -> list[Plot]:
    """What a figure gave, if it is a list of plots whose names are free."""
    if not isinstance(drawn, list) or not all(isinstance(plot, Plot) for plot in drawn):
        raise TypeError(f"expected a list of dlgbench.Plot, got {drawn!r}")
    for plot in drawn:
        if plot.name in taken:
            raise ValueError(f"expected a name of its own for each plot, got {plot.name!r} twice")
        taken.add(plot.name)
    return drawn


def _problem(figure: Part, study: Study, error: Exception) -> str:
    """One line that names the figure, its place, and the line of its file that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == figure.file]
    at = f" at line {lines[-1]}" if lines else ""
    came = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"figure {figure.name} ({figure.where}) of {study.ablation.name} failed{at}: {came}"


# what is there already ----------------------------------------------------------------------------


def digest(study: Study, uri: str) -> str:
    """SHA-256 over all that a section is drawn from, and the store that its plots are attached to.

    A run counts with its summary and its provenance, which has the time of its start: two runs with
    the same of both have the same curves.
    """
    ablation = study.ablation
    runs = [
        (cell.id, plain(cell.setting), run.status, dict(run.summary), dict(run.provenance))
        for cell, run in study.runs.items()
    ]
    works = {arm: work.to_json() for arm, work in study.works.items()}
    declared = [ablation.question, ablation.slide, ablation.select, str(ablation.tune)]
    claims = list(map(repr, ablation.claims))
    about = [uri, study.scale, runs, works, declared, claims, _code()]
    return hashlib.sha256(json.dumps(about, default=str).encode()).hexdigest()


def _code() -> list[str]:
    """What draws: our code and the versions of the libraries; each registered figure of a user."""
    users = [figure for figure in FIGURES.values() if HERE not in figure.file.parents]
    of_users = [f"{figure.name} {code_digest(with_imports(figure.source))}" for figure in users]
    return [*_ours(), *of_users]


@functools.cache
def _ours() -> tuple[str, ...]:
    code = code_digest([*HERE.rglob("*.py"), *(PACKAGE / name for name in USED)])
    return code, platform.python_version(), *map(metadata.version, LIBRARIES)


def is_current(folder: Path, wanted: str) -> bool:
    """Whether what lies in a folder was drawn from what has this digest, and no file is missing."""
    files = [folder / f"{plot.name}{end}" for plot in recorded(folder).plots for end in style.ENDS]
    return _record(folder).get("digest") == wanted and all(map(Path.is_file, files))


def recorded(folder: Path) -> Drawing:
    """The plots that lie in a folder; none where it has no record of them."""
    return Drawing(tuple(Picture(**plot) for plot in _record(folder).get("plots", ())))


def _record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or one that was cut off
        return {}
    return record


def _clear(folder: Path) -> None:
    """Takes away what was drawn before, so that no plot stays that is drawn no more."""
    plots = recorded(folder).plots
    (folder / RECORD).unlink(missing_ok=True)
    for plot in plots:
        for end in style.ENDS:
            (folder / f"{plot.name}{end}").unlink(missing_ok=True)


def _keep(folder: Path, found: str, drawing: Drawing) -> None:
    if not drawing.problems:  # what failed is tried again
        plots = [dataclasses.asdict(plot) for plot in drawing.plots]
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"digest": found, "plots": plots}, indent=1)
        (folder / RECORD).write_text(text, encoding="utf-8")


# all sections -------------------------------------------------------------------------------------


def changed(studies: Sequence[Study], store: Store, out: Path) -> list[Study]:
    """The studies whose plots in the folder are missing or outdated; the largest first.

    So no large one is left for the end, when the other processes have nothing to do.
    """
    outdated = [
        study
        for study in studies
        if not is_current(out / study.ablation.name, digest(study, store.uri))
    ]
    return sorted(outdated, key=lambda study: -len(study.runs))


def draw_all(studies: Sequence[Study], store: Store, out: Path) -> Iterator[tuple[Study, Drawing]]:
    """Each study with its plots, in the order in which they are done.

    What is drawn becomes an artifact of the ablation's experiment in the store.
    """
    for study, drawing in _drawn(studies, store, out):
        folder = out / study.ablation.name
        if study.runs:
            files = [folder / f"{plot.name}.png" for plot in drawing.plots]
            store.attach(study.ablation.name, files)
        _keep(folder, digest(study, store.uri), drawing)
        yield study, drawing


def _drawn(studies: Sequence[Study], store: Store, out: Path) -> Iterator[tuple[Study, Drawing]]:
    workers = min(cores(), len(studies))
    jobs = ((study, _prepared(study, store, out)) for study in studies)
    if workers > 1 and can_fork():
        yield from _side_by_side(jobs, out, workers)
    else:
        yield from ((study, draw(full, out / study.ablation.name)) for study, full in jobs)


def _prepared(study: Study, store: Store, out: Path) -> Study:
    _clear(out / study.ablation.name)
    return with_curves(study, store)


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def can_fork() -> bool:
    """Whether processes are forked: not on Windows, nor on macOS, whose libraries forbid it.

    A forked process has all that this one has: the study, and every figure that is registered,
    wherever that was. There plots are drawn one after the other.
    """
    return "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"


def _side_by_side(
    jobs: Iterable[tuple[Study, Study]], out: Path, workers: int
) -> Iterator[tuple[Study, Drawing]]:
    """Draws each study in a process of its own, so many at a time."""
    running: dict[Connection, tuple[Any, Study]] = {}
    jobs = iter(jobs)
    try:
        while True:
            while len(running) < workers and (job := next(jobs, None)):
                study, full = job
                reader, process = _started(full, out / study.ablation.name)
                running[reader] = process, study
            if not running:
                return
            for reader in cast("list[Connection]", wait(list(running))):
                process, study = running[reader]
                drawing = _received(reader, process, study)
                del running[reader]
                yield study, drawing
    finally:  # Ctrl-C, or a store out of reach
        for process, _ in running.values():
            process.terminate()
            process.join()


def _started(study: Study, folder: Path) -> tuple[Connection, Any]:
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(writer, study, folder))
    with warnings.catch_warnings():  # of threads: those of BLAS, which stands a fork
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    writer.close()
    return reader, process


def _work(writer: Connection, study: Study, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    gc.disable()  # the process ends with its study; looking for garbage is a seventh of its time
    writer.send(draw(study, folder))


def _received(reader: Connection, process: Any, study: Study) -> Drawing:
    """What a process has drawn; a line where it ended without a word."""
    try:
        drawing: Drawing = reader.recv()
    except EOFError:
        process.join()
        ended = f"ended with exit code {process.exitcode}"
        drawing = Drawing(
            (), (f"figures of {study.ablation.name}: the process that draws {ended}",)
        )
    process.join()
    reader.close()
    return drawing
