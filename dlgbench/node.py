"""What a node of a cluster does for a session: it looks whether it can, and carries out cells.

A cell travels as its place in its ablation, and the ablation as its file: a node loads the file
anew, so that a recipe finds its parts there, and a training function its module. Nothing here needs
Ray, or writes to a store.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from dlgbench import devices, machine
from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.discovery import load
from dlgbench.errors import DlgbenchError
from dlgbench.failures import out_of_memory, text_of
from dlgbench.judging import choose
from dlgbench.recipe import plain
from dlgbench.scale import SCALES

HERE = Path.cwd()  # the copy of the session's root folder, in which Ray starts a process
Place = tuple[str, str, str, int, str]  # ablation, arm, purpose, seed; the setting of a tuning


def place_of(cell: Cell) -> Place:
    """Where a cell stands in its session: the same with the setting that its tuning chose."""
    setting = json.dumps(plain(cell.setting)) if cell.purpose == "tune" else ""
    return cell.ablation, cell.arm, cell.purpose, cell.seed, setting


@dataclasses.dataclass(frozen=True)
class Parcel:
    """What every task of a session must know.

    Args:
        root: the session's root folder, on the controller.
        files: the ablation files, relative to the root.
        paths: where below the root Python finds modules, relative to it.
        data: the data set that `--data` names, or "".
        scale: the scale.
        prints: fingerprints of each ablation's arms, at seed 0: a node must come to the same.
    """

    root: str
    files: tuple[str, ...]
    paths: tuple[str, ...]
    data: str
    scale: str
    prints: Mapping[str, Mapping[str, str]]


def pack(
    root: Path, files: Iterable[Path], ablations: Iterable[Ablation], data: str, scale: str
) -> Parcel:
    """The parcel of a session.

    Raises:
        DlgbenchError: for a file outside the root folder, which alone travels.
    """
    from dlgbench.fingerprint import fingerprint

    inside = []
    for file in files:
        if root not in file.parents:
            raise DlgbenchError(
                f"--ray: expected ablations below {root}, which travels, got {file}: go to its "
                "repository"
            )
        inside.append(str(file.relative_to(root)))
    prints = {
        ablation.name: {
            arm: fingerprint(ablation.evaluation(arm, scale)[0])
            for arm in ablation.arms_at(scale)
            if not ablation.is_timed(arm, scale)
        }
        for ablation in ablations
    }
    return Parcel(str(root), tuple(inside), _paths(root), data, scale, prints)


def _paths(root: Path) -> tuple[str, ...]:
    """Where below the root this process finds a user's modules, relative to it."""
    found = [place for place in map(Path, sys.path) if root in place.parents and place.is_dir()]
    own = [place for place in found if "site-packages" not in place.parts]
    return tuple(dict.fromkeys(str(place.relative_to(root)) for place in own))


@dataclasses.dataclass(frozen=True)
class Looked:
    """What a node says of itself.

    Args:
        kind: its device and its torch: runs of one seed are made on nodes of one kind.
        per_gpu: how many cells share one of its GPUs.
        missing: what it lacks, one message each; none where it is fit.
    """

    kind: str = ""
    per_gpu: int = 1
    missing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a cell on a node.

    Args:
        place: the cell's.
        run: its run; None where it has none.
        fingerprint: the run's, as the node computed it.
        failure: the user's own traceback, or a message.
        again: why it has to be sent again: the GPU's `memory` ran out; its tuning had `no setting`
            yet; it failed in company and goes `alone`; its node `left`.
    """

    place: Place
    run: Run | None = None
    fingerprint: str = ""
    failure: str = ""
    again: Literal["", "memory", "no setting", "alone", "left"] = ""


def look(parcel: Parcel) -> Looked:
    """Whether this node has what the session needs: packages, data sets, equal code, a GPU."""
    try:
        found = ablations(parcel)
    except DlgbenchError as error:
        return Looked(missing=(_as_there(str(error), parcel),))
    from dlgbench.fingerprint import fingerprint
    from dlgbench.provenance import provenance
    from dlgbench.train import no_gpu

    cuda = SCALES[parcel.scale].cuda
    missing: dict[str, None] = {}
    if cuda and (reason := no_gpu()):
        missing[reason.partition(";")[0]] = None  # other nodes may have one
    for name, arms in parcel.prints.items():
        for arm, wanted in arms.items():
            try:
                here = fingerprint(found[name].evaluation(arm, parcel.scale)[0])
            except DlgbenchError as error:
                missing[_as_there(str(error), parcel)] = None
            else:
                if here != wanted:
                    text = f"{name}: expected the code and the data of the session, got others"
                    missing[text] = None
    about = provenance("cuda" if cuda else "cpu")
    kind = f"{about['device']}, torch {about['version.torch']}"
    return Looked(kind, devices.per_gpu(), tuple(missing))


def check(parcel: Parcel, name: str) -> str:
    """What `preflight.check` says of an ablation's arms here, if anything."""
    from dlgbench.preflight import check as check_work

    ablation = ablations(parcel)[name]
    try:
        for work in ablation.works(parcel.scale):
            check_work(work, parcel.scale)
    except DlgbenchError as error:
        return _as_there(f"{name}: {error}", parcel)
    return ""


def carry_out(
    parcel: Parcel, places: Sequence[Place], known: Mapping[Place, Run], *tuned: Sequence[Outcome]
) -> list[Outcome]:
    """The outcomes of cells that go together, in their order.

    Args:
        parcel: of the session.
        places: of the cells; several train together.
        known: tuning runs that the store had.
        tuned: what came of the tuning cells that were sent before.
    """
    tuning = {**known, **{each.place: each.run for of in tuned for each in of if each.run}}
    cells = {place: _ready(parcel, place, tuning) for place in places}
    ready = [cell for cell in cells.values() if cell]
    done = dict(zip(ready, _carried_out(ready, parcel), strict=True))
    return [
        done[cell] if cell else Outcome(place, again="no setting") for place, cell in cells.items()
    ]


def _ready(parcel: Parcel, place: Place, tuning: Mapping[Place, Run]) -> Cell | None:
    """The cell at a place, with the setting that its tuning chose; None where that is not done."""
    ablation = ablations(parcel)[place[0]]
    tried = ablation.tuning(place[1], parcel.scale)
    cells = [*tried, *ablation.evaluation(place[1], parcel.scale)]
    cell = next(cell for cell in cells if place_of(cell) == place)
    if cell.purpose == "tune" or not tried:
        return cell
    runs = {of: tuning.get(place_of(of)) for of in tried}
    found = {of: run for of, run in runs.items() if run}
    return cell.chosen(choose(ablation, found)) if len(found) == len(tried) else None


def _carried_out(cells: Sequence[Cell], parcel: Parcel) -> Iterator[Outcome]:
    if len(cells) > 1:
        from dlgbench.lanes.engine import train

        try:
            with machine.shared():
                runs = train(cells)
        except Exception as error:  # noqa: BLE001  (a user's code may raise anything; each alone tells)
            if out_of_memory(error):
                yield from (Outcome(place_of(cell), again="memory") for cell in cells)
                return
            runs = []
        if runs:
            yield from map(_made, cells, runs)
            return
    for cell in cells:
        yield _alone(cell, parcel)


def _made(cell: Cell, run: Run) -> Outcome:
    from dlgbench.fingerprint import fingerprint

    return Outcome(place_of(cell), run, fingerprint(cell))


def _alone(cell: Cell, parcel: Parcel) -> Outcome:
    """The outcome of a cell alone; also `sys.exit` in a user's code is a failure of this cell."""
    try:
        with machine.shared():  # what is timed on this machine waits for it
            return _made(cell, cell.work.run(cell))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (a user's code may raise anything)
        if out_of_memory(error):
            return Outcome(place_of(cell), again="memory")
        return Outcome(place_of(cell), failure=_as_there(text_of(error), parcel))


def _as_there(text: str, parcel: Parcel) -> str:
    """A text that names files of this copy, with their names on the controller."""
    return text.replace(str(HERE), parcel.root)


def ablations(parcel: Parcel) -> dict[str, Ablation]:
    """The session's ablations by name; all are loaded, since one may register another's part."""
    return _read(parcel.files, parcel.paths, parcel.data)


@functools.cache
def _read(files: tuple[str, ...], paths: tuple[str, ...], data: str) -> dict[str, Ablation]:
    sys.path[:0] = [str(HERE / path) for path in paths]
    loaded = [load(HERE / file) for file in files]
    on_data = [ablation.with_data(data) if data else ablation for ablation in loaded]
    return {ablation.name: ablation for ablation in on_data}
