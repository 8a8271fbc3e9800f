"""Pulls cells: from the store where they are finished, else by training them, side by side with other workers on the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from filelock import FileLock, Timeout

from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.judging import choose, judge_runs
from dlgbench.tracking import Store


class Runner:
    """Gets the runs of cells from a store, and makes those that it lacks.

    Args:
        store: where runs are looked up and saved.
        since: runs that ended before this time do not count (`--rerun`).

    A store that goes out of reach stops nothing: what is trained is spooled, and `told` has what the user must know.
    """

    def __init__(self, store: Store, since: float = 0.0) -> None:
        self.store, self.since = store, since
        self.trained = 0
        self._told: list[str] = []
        self._judged: dict[tuple[str, str], dict[Claim, Verdict]] = {}
        self._found: dict[tuple[str, str], Run] = {}

    def pull(self, cells: Sequence[Cell]) -> list[Run]:
        """The runs of resolved cells. A cell that another worker holds is waited for, after all others are done."""
        from dlgbench.train import fingerprint

        prints = [fingerprint(cell) for cell in cells]
        left = dict(zip(prints, cells, strict=True))
        while left:
            done = [key for key, cell in left.items() if self._pulled(cell, key, wait=0.0)]
            if not done:
                key = next(iter(left))
                done = [key] if self._pulled(left[key], key, wait=1.0) else []
            left = {key: cell for key, cell in left.items() if key not in done}
        return [self._found[cell.ablation, key] for cell, key in zip(cells, prints, strict=True)]

    def _pulled(self, cell: Cell, key: str, wait: float) -> bool:
        """Whether the cell's run is here now; False if another worker holds it for longer than `wait` seconds."""
        from dlgbench.train import train

        if (cell.ablation, key) in self._found:
            return True
        try:
            with FileLock(self.store.locks / f"{key}.lock", timeout=wait):
                found = None
                with self._telling():
                    found = self.store.find(cell.ablation, key, self.since)
                if found is None:
                    run, own = train(cell), False
                    self.trained += 1
                else:
                    run, own = found
                if not own:
                    with self._telling():
                        self.store.save(cell, key, run)
                self._found[cell.ablation, key] = run
        except Timeout:
            return False
        return True

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except DlgbenchError as error:
            self._told.append(
                f"{error}. Runs are kept in {self.store.spool}; the next call sends them."
            )

    def told(self) -> str:
        """What the user must know since the last call; "" for nothing."""
        told, self._told = self._told, []
        return told[0] if told else ""

    def resolve(self, ablation: Ablation, arm: str, scale: str) -> list[Cell]:
        """The evaluation cells of an arm, each with the setting that the tuning chose; the tuning is pulled first."""
        tuning, evaluation = ablation.tuning(arm, scale), ablation.evaluation(arm, scale)
        if not tuning:
            return evaluation
        chosen = choose(ablation, dict(zip(tuning, self.pull(tuning), strict=True)))
        return [cell.chosen(chosen) for cell in evaluation]

    def run(self, ablation: Ablation, cell: Cell) -> Run:
        """The run of one cell of the ablation, tuned first where its arm is tuned."""
        if cell.purpose == "evaluate":
            cell = next(
                ready
                for ready in self.resolve(ablation, cell.arm, cell.scale)
                if ready.seed == cell.seed
            )
        return self.pull([cell])[0]

    def judge(self, ablation: Ablation, scale: str) -> dict[Claim, Verdict]:
        """The verdicts on all claims of the ablation at a scale: one family, whatever else was run."""
        if (ablation.name, scale) not in self._judged:
            self._judged[ablation.name, scale] = self._judge(ablation, scale)
        return self._judged[ablation.name, scale]

    def _judge(self, ablation: Ablation, scale: str) -> dict[Claim, Verdict]:
        arms = {arm for claim in ablation.claims_at(scale) for _, arm in claim.effect.needs}
        cells = [
            cell
            for arm in ablation.arms_at(scale)
            if arm in arms
            for cell in self.resolve(ablation, arm, scale)
        ]
        verdicts = judge_runs(ablation, scale, dict(zip(cells, self.pull(cells), strict=True)))
        if scale != "smoke":  # smoke's are plumbing
            with self._telling():
                for claim, verdict in verdicts.items():
                    self.store.save_verdict(ablation, scale, claim, verdict)
        return verdicts
