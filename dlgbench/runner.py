"""Gets the runs of cells from the store, and runs the cells that the store lacks.

Several workers of one machine may do so at the same time.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from filelock import BaseFileLock, Timeout

from dlgbench import grouping, machine, spool
from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.devices import Places
from dlgbench.errors import DlgbenchError
from dlgbench.failures import CellFailed, WholeGpu, named, out_of_memory, text_of
from dlgbench.judging import choose, edge, judge_runs, score
from dlgbench.spool import RunLost
from dlgbench.tracking import Store


class Runner:
    """Gets the runs of cells from a store, and makes those that it lacks.

    A store that goes out of reach stops nothing: new runs are spooled, and `take_notices` returns
    what the user must know.

    Args:
        store: where runs are looked up and saved.
        since: runs that ended before this time do not count (`--rerun`).
        session: the name of this session, in which a cell that failed is not run again.
        wanted: all cells of this session, in their order: cells that go together are trained
            together.
        places: who may use the worker's GPU; None without one.
    """

    def __init__(
        self,
        store: Store,
        since: float = 0.0,
        session: str = "",
        wanted: Sequence[tuple[Ablation, Cell]] = (),
        places: Places | None = None,
    ) -> None:
        self.store, self.since, self.session = store, since, session
        self.trained = 0
        self.stop = ""  # why the session can't go on
        self._wanted = list(wanted)
        self._places = places or Places("", 1, session)
        self._notices: list[str] = []
        self._lost: list[str] = []
        self._told = 0  # of these
        self._told_of = ""  # the session that was waited for
        self._waits_since = math.inf
        self._judged: dict[tuple[str, str], dict[Claim, Verdict]] = {}
        self._found: dict[Cell, Run] = {}
        self._failed: dict[Cell, CellFailed] = {}
        self._alone: set[Cell] = set()  # of a group that failed
        self._prints: dict[Cell, str] = {}
        self._keys: dict[Cell, str] = {}
        self._resolved: dict[tuple[str, str, str], Sequence[Cell]] = {}

    def pull(self, cells: Sequence[Cell], others: Iterable[Cell] = ()) -> list[Run]:
        """The runs of resolved cells.

        Cells that go together are trained together. While another worker trains a cell, this one
        makes itself useful with the next, and waits only when nothing else is left.

        Args:
            cells: whose runs are returned.
            others: cells that are wanted later, in the order in which they are. They fill up a
                group, and are trained while a worker would have to wait.

        Raises:
            CellFailed: for one of `cells` that raised an exception.
            RunLost: once a run could be kept nowhere: nothing more is trained.
        """
        later: list[Cell] | None = None
        self._waits_since = math.inf
        while missing := [cell for cell in cells if not self._is_known(cell)]:
            for cell in missing:
                if self._recall(cell):
                    raise self._failed[cell]
            if self._lost:
                raise RunLost(f"{self._lost[-1]}: make room, and call again")
            later = list(others) if later is None else later
            self._advance(missing, later)
        return [self._found[cell] for cell in cells]

    def _advance(self, missing: Sequence[Cell], later: Sequence[Cell]) -> None:
        """Trains some of the missing cells or, while others train these, of what comes later."""
        if any(self._trained(group) for group in self._groups(missing, later)):
            self._waits_since = math.inf
            return
        self._waits_since = min(self._waits_since, time.monotonic())
        if time.monotonic() - self._waits_since > spool.PATIENCE:
            self._say_who_is_waited_for(missing[0])
        with contextlib.suppress(Timeout), self._lock(missing[0], wait=1.0):
            pass

    def _say_who_is_waited_for(self, cell: Cell) -> None:
        """Names, once, the process of another session that trains a cell."""
        with contextlib.suppress(OSError, ValueError):
            session, process = self._holder(cell).read_text().split()
            if session not in (self.session, self._told_of):
                self._told_of = session
                spool.say(
                    f"waiting for another session, busy or stopped, that trains cell {cell.id} of "
                    f"{cell.ablation}: process {process}"
                )

    def _holder(self, cell: Cell) -> Path:
        return self.store.spool.locks / f"{self._print(cell)}.holder"

    def _forget_holder(self, cell: Cell) -> None:
        with contextlib.suppress(OSError):
            self._holder(cell).unlink(missing_ok=True)

    def _is_known(self, cell: Cell, *, locked: bool = False) -> bool:
        """Whether the cell's run is there, here or in the store.

        The run of an equal cell of another ablation counts once it is saved for this one too, which
        only happens where the cell is `locked`.
        """
        if cell in self._found:
            return True
        fingerprint = self._print(cell)
        with self._noticing():
            run, own = self.store.find(cell.ablation, fingerprint, self.since) or (None, True)
            if run is not None and (own or locked):
                self._found[cell] = run
                if not own:
                    self.store.save(cell, fingerprint, run, self.since)
        return cell in self._found

    def _print(self, cell: Cell) -> str:
        if cell not in self._prints:
            from dlgbench.fingerprint import fingerprint

            self._prints[cell] = fingerprint(cell)
        return self._prints[cell]

    def _lock(self, cell: Cell, wait: float = 0.0) -> BaseFileLock:
        return self.store.spool.lock(self._print(cell), wait)

    def _groups(self, missing: Sequence[Cell], others: Sequence[Cell]) -> Iterator[list[Cell]]:
        """What could be trained next: the missing cells with companions, then the others."""
        left = [*missing, *(cell for cell in others if cell not in missing)]
        while left:
            first, size = left[0], 1 if left[0] in self._alone else grouping.most(left[0])
            if first not in missing and (self._recall(first) or self._is_known(first)):
                left = left[1:]
                continue
            group = [first]
            for cell in left[1:] if size > 1 else []:
                if cell not in self._alone and self._key(cell) == self._key(first):
                    if not self._recall(cell) and not self._is_known(cell):
                        group.append(cell)
                    if len(group) == size:
                        break
            yield group
            left = [cell for cell in left if cell not in group]

    def _key(self, cell: Cell) -> str:
        if cell not in self._keys:
            self._keys[cell] = grouping.key(cell)
        return self._keys[cell]

    def _trained(self, group: Sequence[Cell]) -> bool:
        """Trains those of a group that no other worker is training; False where there are none."""
        with contextlib.ExitStack() as stack:
            mine = []
            for cell in group:
                with contextlib.suppress(Timeout):
                    stack.enter_context(self._lock(cell))
                    mine.append(cell)
            todo = [
                cell
                for cell in mine
                if not self._is_known(cell, locked=True) and not self._recall(cell)
            ]
            for cell in todo:
                with contextlib.suppress(OSError):
                    self._holder(cell).write_text(f"{self.session} {os.getpid()}")
                stack.callback(self._forget_holder, cell)
            if todo:  # who waits for the machine holds up nobody who has it
                has = machine.alone if any(cell.timing for cell in todo) else machine.shared
                stack.enter_context(has(self.session))
            for cell, run in self._run(todo):
                self._keep(cell, run)
        return bool(mine)

    def _keep(self, cell: Cell, run: Run) -> None:
        """Takes up a run that was made for this session, and saves it."""
        self.trained += 1
        self._found[cell] = run
        with self._noticing():
            if self.store.save(cell, self._print(cell), run, self.since):
                stored = self.store.find(cell.ablation, self._print(cell), self.since)
                self._found[cell] = stored[0] if stored else run  # what is judged is stored

    def _run(self, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Run]]:
        """The runs of cells, which are trained together; a failure is noted, and not raised.

        Where several fail together, each is trained alone when its own turn comes.
        """
        if len(cells) > 1:
            from dlgbench.lanes.engine import train

            try:
                runs = self._fitting(cells, train)
            except Exception as error:  # noqa: BLE001  (a user's code may raise anything)
                self._alone |= set(cells)
                if isinstance(error, WholeGpu):
                    self._notices.append(str(error))
            else:
                yield from zip(cells, runs, strict=True)
            return
        for cell in cells:
            try:
                (run,) = self._fitting([cell], lambda cells: [cells[0].work.run(cells[0])])
            except Exception as error:  # noqa: BLE001  (the same)
                own = None if isinstance(error, DlgbenchError) else error
                self._note(cell, text_of(error), own)
            else:
                yield cell, run

    def _fitting(
        self, cells: Sequence[Cell], train: Callable[[Sequence[Cell]], list[Run]]
    ) -> list[Run]:
        """The runs of cells. Where a GPU's memory runs out, again beside fewer workers.

        Raises:
            WholeGpu: where it runs out with the whole GPU.
        """
        while True:
            with self._places.one() as sharing:
                try:
                    return train(cells)
                except Exception as error:
                    reason = out_of_memory(error)
                    if not reason:
                        raise
            if not self._places.gpu or sharing == 1:
                raise WholeGpu(cells, reason)
            left = self._places.halve(sharing)
            self._notices.append(
                f"{named(cells)}: out of memory while {sharing} workers shared GPU "
                f"{self._places.gpu}; {left} go on, and it runs again"
            )

    def _note(self, cell: Cell, text: str, own: Exception | None = None) -> None:
        """Notes a failure for all workers of the session."""
        self._failed[cell] = CellFailed(cell, text, own)
        with contextlib.suppress(OSError):
            note = json.dumps({"session": self.session, "text": text})
            self._failure(cell).write_text(note)

    def _recall(self, cell: Cell) -> bool:
        """Whether a worker has noted in this session that the cell failed."""
        if cell not in self._failed and self.session and self._failure(cell).exists():
            with contextlib.suppress(OSError, ValueError):
                remembered = json.loads(self._failure(cell).read_text())
                if remembered["session"] == self.session:
                    self._failed[cell] = CellFailed(cell, remembered["text"])
        return cell in self._failed

    def _failure(self, cell: Cell) -> Path:
        return self.store.spool.locks / f"{self._print(cell)}.failed"

    @contextlib.contextmanager
    def _noticing(self, outcome: str = "") -> Iterator[None]:
        """Notes that the store fails, and what that means."""
        try:
            yield
        except RunLost as error:
            self._lost.append(str(error))
        except DlgbenchError as error:
            self._notices.append(f"{error}{outcome}")

    def take_notices(self) -> list[str]:
        """What the user must know since the last call, each once, and no beginning of another."""
        notices, self._notices = list(dict.fromkeys(self._notices)), []
        whole = [one for one in notices if sum(other.startswith(one) for other in notices) == 1]
        return [*whole, *self._lost]

    def take_lost(self) -> int:
        """How many runs could be kept nowhere, since the last call."""
        lost, self._told = len(self._lost) - self._told, len(self._lost)
        return lost

    def resolve(self, ablation: Ablation, arm: str, scale: str) -> Sequence[Cell]:
        """The evaluation cells of an arm, with the setting that the tuning chose.

        The tuning is pulled first.
        """
        place = ablation.name, arm, scale
        if place not in self._resolved:
            tuning, evaluation = ablation.tuning(arm, scale), ablation.evaluation(arm, scale)
            if tuning:
                runs = self.pull(tuning, self._later(ablation, tuning[0]))
                chosen = choose(ablation, dict(zip(tuning, runs, strict=True)))
                evaluation = tuple(cell.chosen(chosen) for cell in evaluation)
            self._resolved[place] = evaluation
        return self._resolved[place]

    def run(self, ablation: Ablation, cell: Cell) -> Run:
        """The run of one cell of the ablation, tuned first where its arm is tuned."""
        ready = cell
        if cell.setting is None:
            cells = self.resolve(ablation, cell.arm, cell.scale)
            ready = next(other for other in cells if other.seed == cell.seed)
        return self.pull([ready], self._later(ablation, cell))[0]

    def _later(self, ablation: Ablation, cell: Cell) -> Iterator[Cell]:
        """What the session wants after a cell: of its ablation, and of its purpose.

        An evaluation cell counts where the tuning of its arm is finished.
        """
        cells = [other for of, other in self._wanted if of.name == ablation.name]
        place = cells.index(cell) if cell in cells else len(cells)
        ready: dict[str, Sequence[Cell]] = {}
        for other in cells[place + 1 :] + cells[:place]:
            if other.purpose != cell.purpose:
                continue
            if other.setting is not None:
                yield other
                continue
            if other.arm not in ready:
                tuned = all(map(self._is_known, ablation.tuning(other.arm, other.scale)))
                ready[other.arm] = self.resolve(ablation, other.arm, other.scale) if tuned else []
            yield from (found for found in ready[other.arm] if found.seed == other.seed)

    def judge(self, ablation: Ablation, scale: str) -> dict[Claim, Verdict]:
        """The verdicts on all claims of the ablation at a scale.

        They are one family of hypotheses, independent of what else is run.
        """
        if (ablation.name, scale) not in self._judged:
            self._judged[ablation.name, scale] = self._judge(ablation, scale)
        return self._judged[ablation.name, scale]

    def edges(self, ablation: Ablation, scale: str) -> dict[str, str]:
        """The judged arms whose tuning ended at an edge of its grid: arm -> which edge."""
        found = {}
        for arm in self._arms(ablation, scale):
            if runs := {cell: self._found[cell] for cell in ablation.tuning(arm, scale)}:
                chosen = choose(ablation, runs)
                if end := edge(score(ablation, runs), chosen):
                    found[arm] = f"lr {chosen['lr']:g} is the {end} that was tried"
        return found

    def _arms(self, ablation: Ablation, scale: str) -> list[str]:
        """The arms that claims need."""
        needed = {arm for claim in ablation.claims_at(scale) for _, arm in claim.effect.needs}
        return [arm for arm in ablation.arms_at(scale) if arm in needed]

    def _judge(self, ablation: Ablation, scale: str) -> dict[Claim, Verdict]:
        arms = self._arms(ablation, scale)
        cells = [cell for arm in arms for cell in self.resolve(ablation, arm, scale)]
        verdicts = judge_runs(ablation, scale, dict(zip(cells, self.pull(cells), strict=True)))
        if scale != "smoke":  # those of smoke only show that the plumbing works
            unsaved = f". Not all verdicts of {ablation.name} are stored; the next call does so"
            with self._noticing(unsaved):
                for claim, verdict in verdicts.items():
                    self.store.save_verdict(ablation, scale, claim, verdict)
        return verdicts
