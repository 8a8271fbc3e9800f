"""Gets the runs of cells from the store, and runs the cells that the store lacks.

Several workers of one machine may do so at the same time.
"""

from __future__ import annotations

import contextlib
import json
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.judging import choose, judge_runs
from dlgbench.tracking import Store

PACKAGE = Path(__file__).parent


class CellFailed(DlgbenchError):  # noqa: N818  (a state of a cell, which reads better so)
    """A cell raised an exception, in this worker or, earlier in this session, in another.

    Attributes:
        cell: the cell.
        text: the traceback, from the first line of code outside dlgbench; or the message of a
            `DlgbenchError`.
        own: the exception itself, with that traceback; None for a `DlgbenchError`, and for an
            exception in another worker.
    """

    def __init__(self, cell: Cell, text: str, own: Exception | None = None) -> None:
        last = text.strip().splitlines()[-1]
        super().__init__(f"cell {cell.id} failed: {last}; its own test tells where")
        self.cell, self.text, self.own = cell, text, own


class Runner:
    """Gets the runs of cells from a store, and makes those that it lacks.

    A store that goes out of reach stops nothing: new runs are spooled, and `take_notice` returns
    what the user must know.

    Args:
        store: where runs are looked up and saved.
        since: runs that ended before this time do not count (`--rerun`).
        session: the name of this session, in which a cell that failed is not run again.
    """

    def __init__(self, store: Store, since: float = 0.0, session: str = "") -> None:
        self.store, self.since, self.session = store, since, session
        self.trained = 0
        self._notices: list[str] = []
        self._judged: dict[tuple[str, str], dict[Claim, Verdict]] = {}
        self._found: dict[tuple[str, str], Run] = {}

    def pull(self, cells: Sequence[Cell]) -> list[Run]:
        """The runs of resolved cells.

        A cell that another worker is running is waited for, after all others.

        Raises:
            CellFailed: for a cell that raised an exception.
        """
        from dlgbench.fingerprint import fingerprint

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
        """Gets or makes a cell's run; False if another worker holds it for over `wait` seconds."""
        if (cell.ablation, key) in self._found:
            return True
        try:
            with FileLock(self.store.spool.locks / f"{key}.lock", timeout=wait):
                found = None
                with self._noticing():
                    found = self.store.find(cell.ablation, key, self.since)
                run, own = found or (self._run(cell, key), False)
                if not own:
                    with self._noticing():
                        self.store.save(cell, key, run)
                self._found[cell.ablation, key] = run
        except Timeout:
            return False
        return True

    def _run(self, cell: Cell, key: str) -> Run:
        """Runs a cell; a failure is noted for all workers of the session."""
        failed = self.store.spool.locks / f"{key}.failed"
        if self.session and failed.exists():
            with contextlib.suppress(OSError, ValueError):
                remembered = json.loads(failed.read_text())
                if remembered["session"] == self.session:
                    raise CellFailed(cell, remembered["text"])
        try:
            run = cell.work.run(cell)
        except Exception as error:  # noqa: BLE001  (a user's code may raise anything)
            own = None if isinstance(error, DlgbenchError) else _from_foreign_code(error)
            text = "".join(traceback.format_exception(own)) if own else str(error)
            with contextlib.suppress(OSError):
                failed.write_text(json.dumps({"session": self.session, "text": text}))
            raise CellFailed(cell, text, own) from None
        self.trained += 1
        return run

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except DlgbenchError as error:
            kept = f"Runs are kept in {self.store.spool.folder}; the next call sends them."
            self._notices.append(f"{error}. {kept}")

    def take_notice(self) -> str:
        """The first notice for the user since the last call; "" for none."""
        notices, self._notices = self._notices, []
        return notices[0] if notices else ""

    def resolve(self, ablation: Ablation, arm: str, scale: str) -> list[Cell]:
        """The evaluation cells of an arm, with the setting that the tuning chose.

        The tuning is pulled first.
        """
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
        """The verdicts on all claims of the ablation at a scale.

        They are one family of hypotheses, independent of what else is run.
        """
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
        if scale != "smoke":  # those of smoke only show that the plumbing works
            with self._noticing():
                for claim, verdict in verdicts.items():
                    self.store.save_verdict(ablation, scale, claim, verdict)
        return verdicts


def _from_foreign_code(error: Exception) -> Exception:
    """The exception with its traceback from the first line of code outside dlgbench, if any."""
    entry = error.__traceback__
    while entry is not None and PACKAGE in Path(entry.tb_frame.f_code.co_filename).parents:
        entry = entry.tb_next
    return error.with_traceback(entry or error.__traceback__)
