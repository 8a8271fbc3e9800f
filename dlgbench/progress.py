"""Progress of a pytest session over ablations: cells done, time left, verdicts, how it ended."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dlgbench import devices, summary, words
from dlgbench.claim import COLORS
from dlgbench.discovery import declares
from dlgbench.interrupt import KEPT, on_signal
from dlgbench.session import session_of

PROGRESS = "dlgbench-progress"  # its name among pytest's plugins
MOST = 40  # claims that the table shows in full
RECENT = 64  # moments, at least a second apart, whose pace tells the time that is left
EVERY = 10.0  # seconds between two lines of progress, where there is no terminal
JUDGED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def uncaptured(config: pytest.Config) -> contextlib.AbstractContextManager[None]:
    """What is written goes past pytest's capture."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    disabled: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    return capture.global_and_fixture_disabled() if capture else disabled


class Progress:
    """Shows the progress on the controller, which receives the reports of all workers.

    Attributes:
        is_checked: whether the checks before any training were made.
        is_finished: whether the session ran to its end and has something to report on.
        has_begun: whether the test of a cell has begun.
        has_lost_worker: whether a worker of xdist died.
        has_lost_test: whether a worker died that had tests, of which the first then failed.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.cells: dict[str, float] = {}  # node id -> the share of the work, by a plan if any
        self.planned: Mapping[tuple[Path, str], float] = {}
        self.tests: set[str] = set()  # node ids, of cells and claims
        self.known: set[str] = set()  # those of which anything was reported
        self.reported: set[str] = set()
        self.files: list[Path] = []
        self.trained = self.lost = 0
        self.trained_lately = 0  # at the last of the recent moments
        self.ahead = 0  # trained since the last test ended
        self.started = self.last_line = time.time()
        self.recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self.verdicts: list[dict[str, Any]] = []
        self.noticed: set[str] = set()
        self.session: Any = None
        self.is_live = self.is_checked = self.is_finished = False
        self.has_begun = self.has_lost_worker = self.has_lost_test = False

    @property
    def terminal(self) -> Any:
        """Pytest's terminal reporter."""
        return self.config.pluginmanager.get_plugin("terminalreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist the controller collects by itself."""
        self._expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """With xdist the workers collect."""
        self._expect(ids)

    def _expect(self, ids: list[str]) -> None:
        cells = [item for item in ids if "::test_cell[" in item]
        tests = [*cells, *(item for item in ids if "::test_claim[" in item)]
        files = sorted({item.partition("::")[0] for item in tests})
        ours = [file for file in files if declares(self.config.rootpath / file)]
        self.files = [self.config.rootpath / file for file in ours]
        self.tests = {item for item in tests if item.partition("::")[0] in ours}
        self.cells = {item: 1.0 for item in cells if item in self.tests}
        self._share()  # each worker tells what it has collected, also one that replaces another
        if not self.reported:
            self.started = time.time()

    def expect_seconds(self, planned: Mapping[tuple[Path, str], float]) -> None:
        """Takes what each cell should take, by its file and id: some take a thousand times more."""
        self.planned = planned
        self._share()

    def _share(self) -> None:
        known = {cell: self.planned.get(self._place(cell)) for cell in self.cells}
        given = [seconds for seconds in known.values() if seconds]
        usual = sum(given) / len(given) if given else 1.0
        self.cells = {cell: seconds or usual for cell, seconds in known.items()}

    def _place(self, cell: str) -> tuple[Path, str]:
        """The file and the id of a cell's test, from its node id `file::test_cell[id]`."""
        file, _, test = cell.partition("::")
        return self.config.rootpath / file, test.partition("[")[2].removesuffix("]")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Where workers die, the session may end as after Ctrl-C, with a line.

        That is where the one that replaces another cannot begin, for which xdist shows a traceback,
        and where no more are replaced, though tests are left, for which it may tell of no failure.
        """
        try:
            result = yield
        except (EOFError, OSError) as error:
            frames = traceback.extract_tb(error.__traceback__)
            if not any(frame.name == "_clone_node" for frame in frames):
                raise
            came = f"{type(error).__name__}: {error}"
            pytest.exit(f"a worker died, and the one that was to replace it did not begin ({came})")
        if self.has_lost_worker and (left := len(self.tests - self.known)):
            pytest.exit(f"workers died, and {left} test{'s' * (left != 1)} did not run")
        return result

    @pytest.hookimpl(tryfirst=True)  # before pytest works out where it was
    def pytest_keyboard_interrupt(self) -> None:
        """After Ctrl-C pytest still ends its workers; a second one ends all at once, in a line."""
        self._end_at_once_when_interrupted()

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # before its workers end
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """So does a first one that comes now: pytest would show where it was."""
        self._end_at_once_when_interrupted()
        return (yield)

    def _end_at_once_when_interrupted(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM) if self.files else ():
            on_signal(number, self._end_at_once)

    def _end_at_once(self, *_: object) -> None:
        try:
            with contextlib.suppress(Exception):  # it may have been interrupted while it writes
                sys.stdout.flush()
            os.write(2, f"\ndlgbench: interrupted, ended at once: {KEPT}\n".encode())
            session = session_of(self.config)
            devices.forget(session.id)
            if session.rehearsal:
                shutil.rmtree(session.rehearsal, ignore_errors=True)
        finally:
            os._exit(pytest.ExitCode.INTERRUPTED)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Drops the dot of a passed cell, which the progress line counts, and that of a verdict.

        A verdict has a line of its own.
        """
        if report.when != "call" or self.config.get_verbosity() > 0:
            return None
        if report.passed and report.nodeid in self.cells:
            return "passed", "", ""
        if "verdict" in _row(report):
            return ("xfailed" if hasattr(report, "wasxfail") else report.outcome), "", ""
        return None

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Says that the first cell has begun: a group of cells gives no sign until all are done."""
        if nodeid in self.cells and not self.has_begun:
            self.has_begun = True
            together = "small networks train together, and end together"
            self._line(f"cells 0 of {len(self.cells)}: begun; {together}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self) -> None:
        """xdist: the first test of a worker that died fails, though it may not have begun."""
        self.has_lost_test = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts a cell, or shows a verdict."""
        self.known.add(report.nodeid)
        if report.when != "call":
            return
        row = _row(report)
        self.trained, self.ahead = self.trained + row.get("trained", 0), 0
        for notice in row.get("notices", ()):
            if notice not in self.noticed:
                self.noticed.add(notice)
                self._line(notice, "yellow")
        self.lost += row.get("lost", 0)
        if row.get("lost"):
            self._stop("runs can be kept nowhere: make room, and call again")
        if row.get("stop"):
            self._stop(row["stop"])
        self._stop_if_changed(row)
        if "verdict" in row:
            self.verdicts.append({**row, "outcome": report.outcome})
            color = COLORS[row["verdict"]["verdict"]]
            note = f"; {row['baseline']}" if row["baseline"] and not row["as_expected"] else ""
            self._line(f"{row['ablation']}: {row['claim']}: {row['line']}{note}", color)
        elif report.nodeid in self.cells:
            self.reported.add(report.nodeid)
            self._progress()

    def _stop_if_changed(self, row: Mapping[str, Any]) -> None:
        """Ends a session whose workers have imported other code than this process."""
        name, theirs = row.get("ablation", ""), row.get("sources")
        own = session_of(self.config).sources.get(name)
        if own and theirs and theirs != own:
            self._stop(words.changed_sources([name]))

    def _stop(self, why: str) -> None:
        """Ends the session, also that of xdist's workers."""
        controller = self.config.pluginmanager.get_plugin("dsession") or self.session
        controller.shouldstop = why

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keeps the session, to end it early."""
        self.session = session

    def show_ahead(self, trained: int) -> None:
        """Shows how many runs were trained in all, while a test is still waiting for its own."""
        self.ahead = trained - self.trained
        with uncaptured(self.config):
            self._progress()

    def show_check(self, name: str, done: int, among: int) -> None:
        """Shows which ablation's parts are being tried, before anything is trained."""
        self._show(f"checked {done} of {among} ablations: {name}")

    def _show(self, text: str, *, last: bool = False) -> None:
        """Shows how far the session is: in place, or in a line now and then without a terminal."""
        if self.terminal.isatty:
            self.terminal.rewrite(f"  {text}", erase=True)
            self.is_live = True
        elif last or time.time() - self.last_line > EVERY:
            self.last_line = time.time()
            self._line(text)

    def _progress(self) -> None:
        trained = self.trained + self.ahead
        last = len(self.reported) == len(self.cells)
        now = time.time()
        # a claim, or a cell whose arm is tuned first, trains other cells before their own tests
        done = min(max(len(self.reported), trained), len(self.cells))
        gone = words.span(now - self.started)
        text = f"cells {done} of {len(self.cells)}, {trained} trained, {gone} gone"
        if not self.recent or now - self.recent[-1][0] > 1:  # lanes end together
            work = self._work(done)
            if self.recent and work > self.recent[-1][1] and trained == self.trained_lately:
                self.recent.clear()  # what was found in the store tells nothing of the pace
            self.recent.append((now, work))
            self.trained_lately = trained
        text += self._left() if done < len(self.cells) else ""
        self._show(text, last=last)

    def _left(self) -> str:
        """The time that is left, by the pace of late.

        Not since the start: imports and checks come first. Nor by cells that were stored.
        """
        (before, already), (now, work) = self.recent[0], self.recent[-1]
        if now - self.started <= EVERY or work <= already:
            return ""
        pace = (now - before) / (work - already)
        return f", about {words.span(pace * (sum(self.cells.values()) - work))} left"

    def _work(self, done: int) -> float:
        """The share of the work that is done, of cells reported and of as many as are ahead."""
        waiting = (cell for cell in self.cells if cell not in self.reported)
        ahead = itertools.islice(waiting, max(0, done - len(self.reported)))
        return sum(self.cells.get(cell, 0.0) for cell in (*self.reported, *ahead))

    def _line(self, text: str, color: str | None = None) -> None:
        if self.is_live:
            self.terminal.rewrite("", erase=True)
            self.terminal.write("\r")
            self.is_live = False
        self.terminal.ensure_newline()
        self.terminal.write_line(text, **({color: True} if color else {}))
        self.terminal.flush()  # so that a reader of a pipe or a file sees the line at once

    def pytest_terminal_summary(self, exitstatus: int) -> None:
        """The table of verdicts, what was left out with `--data`, the store, and last the tally."""
        session = session_of(self.config)
        nothing = not (self.cells or self.verdicts or self.lost or session.unsuited)
        if nothing or self.config.getoption("collectonly"):
            return
        self.is_finished = exitstatus in JUDGED
        self.terminal.ensure_newline()
        # the verdicts of scale smoke only show that the plumbing works
        judged = bool(self.verdicts) and session.scale != "smoke"
        shown = self.verdicts
        if judged and len(self.verdicts) > MOST:
            shown = [row for row in self.verdicts if not row["as_expected"]]
        if shown:
            width = self.config.get_terminal_writer().fullwidth if self.terminal.isatty else None
            self.terminal.write(summary.table(shown, session.scale, width))
        if hidden := len(self.verdicts) - len(shown):
            self._say(f"{hidden} as expected are in the report and `dlgbench verdicts`")
        if judged:
            for line in summary.edges(self.verdicts):
                self._say(line)
            self._say_no_baseline()
        self._say_unsuited()
        self._say_end(exitstatus)
        if exitstatus != pytest.ExitCode.USAGE_ERROR:
            self._say(session.store().whereabouts())
        if judged:
            self.terminal.write_line(summary.tally(self.verdicts), bold=True)

    def _say_end(self, exitstatus: int) -> None:
        """What an end that nobody wanted means for the runs."""
        if self.lost:
            runs = f"{self.lost} run{'s' * (self.lost != 1)}"
            self._say(f"{runs} lost: neither the store nor the spool could keep them")
        elif exitstatus == pytest.ExitCode.INTERRUPTED:
            self._say(f"interrupted: {KEPT}")
        elif self.has_lost_test and exitstatus in JUDGED:
            self._say(
                "a worker died, and the test that it had begun or was to begin failed, its cell "
                "stored or not: the next call trains what is missing"
            )

    def _say_no_baseline(self) -> None:
        """How verdicts that failed, and reproduce, fail no more."""
        session = session_of(self.config)
        failed = any(row["outcome"] == "failed" for row in self.verdicts)
        if failed and session.baseline is None and session.past() is None:
            self._say(
                f"no baseline at scale {session.scale}: with --save-baseline these verdicts become "
                "it, and then those fail that differ from it"
            )

    def _say_unsuited(self) -> None:
        session = session_of(self.config)
        if session.unsuited:
            self._say(f"not asked on {session.data}, which does not suit them:")
        for name, reason in sorted(session.unsuited.items()):
            self._say(f"  {name.partition('@')[0]}: {reason}")

    def _say(self, line: str) -> None:
        self.terminal.write_line(line)


def _row(report: pytest.TestReport) -> dict[str, Any]:
    """The notes of the fixtures `measure` and `judge` on a report; {} for any other test."""
    row = dict(report.user_properties).get("dlgbench")
    return row if isinstance(row, dict) else {}
