"""Gets the runs of cells from the store, and those that it lacks from a Ray cluster.

All that the session wants is sent ahead, the longest first; then each test waits for its own cell,
and saves what else has come meanwhile. This process alone writes to the store.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from filelock import Timeout

from dlgbench import grouping
from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.cluster import Cluster, Flight, Unit, spread
from dlgbench.errors import DlgbenchError
from dlgbench.failures import WholeGpu, named
from dlgbench.interrupt import KEPT
from dlgbench.node import Outcome, Place, place_of
from dlgbench.provenance import provenance
from dlgbench.runner import Runner
from dlgbench.tracking import Store

HERE = ("git", "version.dlgbench")  # a node has the code, and neither its repository nor its name


class ClusterRunner(Runner):
    """A `Runner` whose cells are trained on a cluster; what measures time is still run here.

    Args:
        store, since, session, wanted: as a `Runner`'s.
        cluster: where cells are sent.
        seconds: (ablation, arm) -> what a cell is thought to take; unknown ones go first.
        tell: called with the number of runs that have come, whenever some have.
    """

    def __init__(
        self,
        store: Store,
        since: float,
        session: str,
        wanted: Sequence[tuple[Ablation, Cell]],
        cluster: Cluster,
        seconds: Mapping[tuple[str, str], float | None],
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(store, since, session, wanted)
        self._cluster, self._seconds, self._tell = cluster, seconds, tell
        self._ablations = {ablation.name: ablation for ablation, _ in wanted}
        self._is_open = True
        self._asked: set[Place] | None = None  # until the first run is missing
        self._come = deque[tuple[Flight, Cell, Outcome]]()  # and is not saved yet
        # cells that wait for a tuning, or for an equal cell that flies
        self._held: dict[Place, Cell] = {}
        self._flying: dict[str, Place] = {}  # fingerprints of those whose setting is known
        self._kinds: dict[Unit, str] = {}
        self._shares: dict[Place, float] = {}  # of cells for which a GPU's memory ran out

    def _later(self, ablation: Ablation, cell: Cell) -> Iterator[Cell]:  # noqa: ARG002
        return iter(())  # it was sent

    def _is_known(self, cell: Cell, *, locked: bool = False) -> bool:
        if cell not in self._found and self._cluster.is_flying(place_of(cell)):
            return False  # the store need not be asked
        return super()._is_known(cell, locked=locked)

    def _advance(self, missing: Sequence[Cell], later: Sequence[Cell]) -> None:
        there = [cell for cell in missing if not cell.timing]
        if not there:
            super()._advance(missing, later)
            return
        self._ask([])
        self._send(there)
        self._take(self._cluster.wait())

    def judge(self, ablation: Ablation, scale: str) -> dict[Claim, Verdict]:
        """As a `Runner` judges; all that the claims need is sent at once."""
        if (ablation.name, scale) not in self._judged:
            self._ablations.setdefault(ablation.name, ablation)
            arms = self._arms(ablation, scale)
            self._ask([cell for arm in arms for cell in ablation.evaluation(arm, scale)])
        return super().judge(ablation, scale)

    def close(self) -> None:
        """Ends what flies, and saves what had come."""
        self._is_open, self._held = False, {}
        self._take(self._cluster.close())

    # sending --------------------------------------------------------------------------------------

    def _ask(self, cells: Sequence[Cell]) -> None:
        """Sends cells with the tuning that they need; at first all that the session wants."""
        wanted = [] if self._asked is not None else [cell for _, cell in self._wanted]
        self._asked = self._asked or set()
        new: dict[Place, Cell] = {}
        for cell in [*wanted, *cells]:
            for each in (*self._tuning(cell), cell):
                if not each.timing and place_of(each) not in self._asked:
                    new[place_of(each)] = each
        self._asked |= set(new)
        for purpose in ("tune", "evaluate"):  # these wait for those
            self._send([cell for cell in new.values() if cell.purpose == purpose])

    def _tuning(self, cell: Cell) -> Sequence[Cell]:
        """The tuning that gives an evaluation cell its setting."""
        if cell.purpose == "tune":
            return ()
        return self._ablations[cell.ablation].tuning(cell.arm, cell.scale)

    def _settled(self, cell: Cell) -> Cell | None:
        """The cell with its setting; None where its tuning is not done."""
        tuning = self._tuning(cell)
        if cell.setting is not None or not tuning:
            return cell
        if not all(map(self._is_known, tuning)):
            return None
        cells = self.resolve(self._ablations[cell.ablation], cell.arm, cell.scale)
        return next(other for other in cells if other.seed == cell.seed)

    def _send(self, cells: Iterable[Cell]) -> None:
        """Sends those of the cells that do not fly and have no run, or holds them back."""
        now = []
        for cell in cells:
            untuned = any(map(self._recall, self._tuning(cell)))
            if untuned or self._cluster.is_flying(place_of(cell)):
                continue
            ready = self._settled(cell)
            if ready is None and not self._goes_ahead(cell):
                self._held[place_of(cell)] = cell
            elif ready is None:
                now.append(cell)
            elif self._print(ready) in self._flying:
                self._held[place_of(cell)] = cell
            elif not self._is_done(ready):
                self._flying[self._print(ready)] = place_of(ready)
                now.append(ready)
        if now:
            self._assign(now)
            for flight in self._flights(now):
                self._cluster.send(flight, *self._needs(flight.cells[0]))

    def _is_done(self, cell: Cell) -> bool:
        """Whether a cell has failed, or has a run, perhaps of an equal cell."""
        with contextlib.suppress(Timeout), self._lock(cell):
            return self._recall(cell) or self._is_known(cell, locked=True)
        return self._is_known(cell)

    def _goes_ahead(self, cell: Cell) -> bool:
        """Whether a cell is sent before its tuning is done: it probably has no run yet."""
        ablation = self._ablations[cell.ablation]
        first = ablation.evaluation(cell.arm, cell.scale)[0]
        grid = ablation.grid(cell.arm, cell.scale)
        tuned = all(
            self._cluster.is_flying(place_of(each)) or self._is_known(each)
            for each in self._tuning(cell)
        )
        return tuned and not any(self._is_known(first.chosen(setting)) for setting in grid)

    def _needs(self, cell: Cell) -> tuple[dict[Place, Run], list[Place]]:
        """The tuning of a cell: the runs that are there, and where the others fly."""
        known = {each: self._found.get(each) for each in self._tuning(cell)}
        there = {place_of(each): Run(run.status, run.summary) for each, run in known.items() if run}
        return there, [place_of(each) for each, run in known.items() if not run]

    def _assign(self, cells: Sequence[Cell]) -> None:
        """Gives each seed of each ablation a kind of node: that of its stored runs, if any."""
        if not (kinds := self._cluster.kinds):
            self.stop = f"--ray: no node is left; {KEPT}"
            raise DlgbenchError(self.stop)
        units: dict[Unit, float] = {}
        for cell in cells:
            unit = cell.ablation, cell.seed
            units[unit] = units.get(unit, 0.0) + min(self._cost(cell), 1e9)
        given = {unit: kind for unit, kind in self._kinds.items() if kind in kinds}
        if len(kinds) > 1:
            for cell, run in self._found.items():
                device, torch = (run.provenance.get(name) for name in ("device", "version.torch"))
                if same := [kind for kind in kinds if kind.startswith(f"{device}, ")]:
                    own = f"{device}, torch {torch}"
                    given[cell.ablation, cell.seed] = own if own in same else same[0]
        self._kinds |= spread(units, kinds, given)

    def _cost(self, cell: Cell) -> float:
        seconds = self._seconds.get((cell.ablation, cell.arm))
        return math.inf if seconds is None else seconds

    def _flights(self, cells: Sequence[Cell]) -> list[Flight]:
        """The cells in groups that train together, the longest first.

        A group is no larger than leaves every place of the cluster something to do.
        """
        most = math.ceil(len(cells) / sum(self._cluster.kinds.values()))
        company: dict[Any, list[Cell]] = {}
        for cell in cells:
            lanes = cell not in self._alone and grouping.most(cell) > 1
            unsettled = cell.setting is None and self._tuning(cell)
            same = (cell.arm if unsettled else self._key(cell)) if lanes else cell
            kind = self._kinds[cell.ablation, cell.seed]
            company.setdefault((cell.ablation, kind, same), []).append(cell)
        flights = []
        for (_, kind, _), group in company.items():
            size = min(most, grouping.most(group[0]))
            for start in range(0, len(group), size):
                some = tuple(group[start : start + size])
                share = max(self._shares.get(place_of(cell), 0.0) for cell in some)
                flights.append(Flight(some, kind, share or self._cluster.share(kind)))
        return sorted(flights, key=lambda flight: -sum(map(self._cost, flight.cells)))

    # what comes back ------------------------------------------------------------------------------

    def _take(self, landed: Iterable[tuple[Flight, Cell, Outcome]]) -> None:
        """Saves what has come, and sends what has to go again or was held back."""
        before, back = self.trained, list[Cell]()
        self._come.extend(landed)
        while self._come:
            flight, cell, outcome = self._come[0]  # Ctrl-C may come before it is saved
            ready = None if any(map(self._recall, self._tuning(cell))) else self._settled(cell)
            if ready is None or outcome.again:
                back.append(ready or cell)
            if ready is not None:
                self._flying.pop(self._print(ready), None)
                self._settle(flight, ready, outcome)
            self._come.popleft()
        if self.trained > before:
            self._tell(self.trained)
        if self._is_open and (back or (self.trained > before and self._held)):
            held, self._held = self._held, {}
            self._send([*back, *held.values()])

    def _settle(self, flight: Flight, cell: Cell, outcome: Outcome) -> None:
        """Saves a cell's run, or notes its failure, or how it is sent again."""
        if outcome.failure:
            self._note(cell, outcome.failure)
        elif outcome.run is not None and outcome.fingerprint == self._print(cell):
            here = {name: self._about[name] for name in HERE}
            about = {**outcome.run.provenance, **here}
            self._keep(cell, dataclasses.replace(outcome.run, provenance=about))
        elif outcome.run is not None:
            self._note(
                cell, f"cell {cell.id}: its node's code or data changed meanwhile: call again"
            )
        elif outcome.again == "memory":
            self._enlarge(flight, cell)
        elif outcome.again == "alone":
            self._alone.add(cell)
        elif outcome.again == "left":
            self._notices.append(
                f"no node of {flight.kind} is left: seeds that it had begun go on elsewhere"
            )

    def _enlarge(self, flight: Flight, cell: Cell) -> None:
        """Lets cells, for which a GPU's memory ran out, have twice the share of one."""
        together = len(flight.cells) > 1
        if flight.share == 1:
            failed = str(WholeGpu(flight.cells, "CUDA out of memory"))
            if not together:
                self._note(cell, failed)
                return
            self._shares.pop(place_of(cell), None)
            self._alone.add(cell)
            self._notices.append(failed)
            return
        self._shares[place_of(cell)] = share = min(1.0, 2 * flight.share)
        if not together:
            self._alone.add(cell)
        self._notices.append(
            f"{named(flight.cells)}: out of memory with {flight.share:.0%} of a GPU; it runs again "
            f"with {share:.0%}"
        )

    @functools.cached_property
    def _about(self) -> dict[str, str]:
        return provenance("cpu")
