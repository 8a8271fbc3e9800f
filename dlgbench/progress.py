"""What a user sees while pytest runs ablations: cells done of all, time left, verdicts as they fall, and the table at the end."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from dlgbench.ablation import declares
from dlgbench.pytest_plugin import LEFT_OUT, SETTINGS, scale_of

COLORS = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}
SYMBOLS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
MOST = 40  # claims that the table shows in full
EVERY = 10.0  # seconds between two lines of progress where no terminal rewrites them


class Progress:
    """Follows the reports of all workers, on the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.cells: set[str] = set()
        self.done = self.trained = 0
        self.started = self.told = time.time()
        self.verdicts: list[dict[str, Any]] = []
        self.live = self.told_user = False

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
        named = {item for item in ids if "::test_cell[" in item}
        files = {
            file
            for file in {item.partition("::")[0] for item in named}
            if declares(self.config.rootpath / file)
        }
        self.cells = {item for item in named if item.partition("::")[0] in files}
        self.started = time.time()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """A cell that went well needs no dot of its own, since the progress line counts it; nor a verdict, which has its line."""
        if report.when != "call" or self.config.get_verbosity() > 0:
            return None
        if report.passed and report.nodeid in self.cells:
            return "passed", "", ""
        if "figures" in _row(report):
            return ("xfailed" if hasattr(report, "wasxfail") else report.outcome), "", ""
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts a cell, or tells a verdict as it falls."""
        if report.when != "call":
            return
        row = _row(report)
        self.trained += row.get("trained", 0)
        if row.get("told") and not self.told_user:
            self.told_user = True
            self._line(row["told"], "yellow")
        if "figures" in row:
            self.verdicts.append({**row, "outcome": report.outcome})
            self._line(
                f"{row['ablation']}: {row['claim']}: {row['line']}",
                COLORS[row["figures"]["verdict"]],
            )
        elif report.nodeid in self.cells:
            self.done += 1
            self._progress()

    def _progress(self) -> None:
        last = self.done == len(self.cells)
        elapsed = time.time() - self.started
        done = min(
            max(self.done, self.trained), len(self.cells)
        )  # a claim, or a cell that needs its arm tuned, trains cells before their own turn
        text = f"cells {done} of {len(self.cells)}, {self.trained} trained, {_span(elapsed)} gone"
        if elapsed > EVERY or last:
            text += f", about {_span(elapsed / done * (len(self.cells) - done))} left"
        if self.terminal.isatty:
            self.terminal.rewrite(f"  {text}", erase=True)
            self.live = True
        elif last or time.time() - self.told > EVERY:
            self.told = time.time()
            self._line(text)

    def _line(self, text: str, color: str | None = None) -> None:
        if self.live:
            self.terminal.rewrite("", erase=True)
            self.terminal.write("\r")
            self.live = False
        self.terminal.ensure_newline()
        self.terminal.write_line(text, **({color: True} if color else {}))
        self.terminal.flush()  # a pipe, or a file that somebody follows, gets it now

    def pytest_terminal_summary(self, exitstatus: int) -> None:
        """The table of verdicts, what `--data` did not suit, where everything is, and last the tally."""
        left_out = self.config.stash.get(LEFT_OUT, {})
        if not self.cells and not self.verdicts and not left_out:
            return
        self.terminal.ensure_newline()
        judged = (
            bool(self.verdicts) and scale_of(self.config) != "smoke"
        )  # there they are plumbing, and no verdicts
        shown = (
            [row for row in self.verdicts if not row["as_expected"]]
            if judged and len(self.verdicts) > MOST
            else self.verdicts
        )
        if shown:
            self.terminal.write(self._table(shown))
        if len(shown) < len(self.verdicts):
            self.terminal.write_line(
                f"{len(self.verdicts) - len(shown)} as expected are in the report and `dlgbench verdicts`"
            )
        if left_out:
            self.terminal.write_line(
                f"not asked on {self.config.stash[SETTINGS]['data']}, which does not suit them:"
            )
        for name, reason in sorted(left_out.items()):
            self.terminal.write_line(f"  {name.partition('@')[0]}: {reason}")
        uri = self.config.stash[SETTINGS]["uri"]
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            self.terminal.write_line(
                "interrupted: what is finished is stored, and the same command goes on from there"
            )
        if exitstatus != pytest.ExitCode.USAGE_ERROR:
            self.terminal.write_line(
                f"runs and verdicts: {uri}"
                + ("" if uri.startswith("http") else " (dlgbench ui shows them)")
            )
        if judged:
            self.terminal.write_line(_tally(self.verdicts), bold=True)

    def _table(self, rows: list[dict[str, Any]]) -> str:
        from rich import box
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        scale = scale_of(self.config)
        title = (
            f"verdicts at scale {scale}"
            if scale != "smoke"
            else "smoke: plumbing only, these are no verdicts"
        )
        table = Table(
            "verdict",
            "claim",
            "effect",
            "interval",
            "wanted",
            "n",
            title=title,
            title_justify="left",
            box=box.SIMPLE_HEAD,
        )
        table.columns[1].ratio, table.columns[1].overflow = 1, "fold"
        for ablation in sorted({row["ablation"] for row in rows}):
            table.add_row("", f"[bold]{ablation}[/]")
            for row in (row for row in rows if row["ablation"] == ablation):
                figures = row["figures"]
                expected = row["expect"] if row["expect"] != "not supported" else "refuted"
                told = (
                    ""
                    if figures["verdict"] == "supported" == expected
                    else ", as expected"
                    if row["as_expected"]
                    else f" (expected {row['expect']})"
                )
                style = COLORS[figures["verdict"]] if scale != "smoke" else "dim"
                interval = (
                    ""
                    if figures["method"] == "exact"
                    else escape("[{:.3g}, {:.3g}]".format(*figures["interval"]))
                )
                verdict = f"[{style}]{SYMBOLS[figures['verdict']]} {figures['verdict']}[/]{told if scale != 'smoke' else ''}"
                table.add_row(
                    verdict,
                    escape(row["claim"]),
                    f"{figures['effect']:.3g}",
                    interval,
                    row["threshold"],
                    str(figures["n"]),
                )
        terminal = self.terminal.isatty
        width = self.config.get_terminal_writer().fullwidth if terminal else 140
        console = Console(
            width=width, force_terminal=terminal, color_system="standard" if terminal else None
        )
        with console.capture() as captured:
            console.print(table)
        return captured.get()


def _tally(rows: list[dict[str, Any]]) -> str:
    """`5 claims: 2 supported, 2 refuted, 1 inconclusive; 1 not as expected`."""
    words = Counter(row["figures"]["verdict"] for row in rows)
    unexpected = sum(not row["as_expected"] for row in rows)
    counted = ", ".join(f"{words[word]} {word}" for word in SYMBOLS)
    failed = sum(row["outcome"] == "failed" for row in rows)
    found = (
        f", and {failed} of them fail{'s' * (failed == 1)} the session: a finding, nothing broke"
        if failed
        else ""
    )
    return f"{len(rows)} claim{'s' * (len(rows) != 1)}: {counted}; {unexpected or 'none'} not as expected{found}"


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {seconds} s"
        if minutes
        else f"{seconds} s"
    )


def _row(report: pytest.TestReport) -> dict[str, Any]:
    """What the fixtures `measure` and `judge` noted on a report."""
    row = dict(report.user_properties).get("dlgbench")
    return row if isinstance(row, dict) else {}
