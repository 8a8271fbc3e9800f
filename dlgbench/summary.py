"""What the terminal says of the verdicts of a session, at its end.

A row is what the fixture `judge` notes of a claim, with the test's outcome.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlgbench import words
from dlgbench.claim import COLORS

Row = Mapping[str, Any]
SYMBOLS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
MOST_EDGES = 10  # warnings of a tuning at the edge of its grid
WIDTH = 140  # columns, where there is no terminal


def table(rows: Sequence[Row], scale: str, width: int | None = None) -> str:
    """A table of verdicts; in colours where the width of a terminal is given."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    smoke = scale == "smoke"
    title = f"verdicts at scale {scale}"
    title = "smoke: plumbing only, these are no verdicts" if smoke else title
    columns = ("verdict", "claim", "effect", "interval", "wanted", "n")
    shown = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD)
    shown.columns[1].ratio, shown.columns[1].overflow = 1, "fold"
    for ablation in sorted({row["ablation"] for row in rows}):
        shown.add_row("", f"[bold]{ablation}[/]")
        for row in (row for row in rows if row["ablation"] == ablation):
            fragile = words.fragile(row["verdict"].get("fragile", False))
            notes = [] if smoke else [fragile, row["undecided"]]
            if not smoke and not row["as_expected"]:
                notes.append(row["baseline"])
            shown.add_row(
                _cell(row, smoke=smoke),
                escape("\n".join(filter(None, [row["claim"], *notes]))),
                row["effect"],
                escape(row["interval"]),
                row["wanted"],
                str(row["verdict"]["n"]),
            )
    colors = width is not None
    console = Console(
        width=width or WIDTH,
        force_terminal=colors,
        color_system="standard" if colors else None,
    )
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def _cell(row: Row, *, smoke: bool) -> str:
    """The verdict of a row, in its colour, with a note on what was expected unless `supported`."""
    verdict = row["verdict"]["verdict"]
    mark = f"{SYMBOLS[verdict]} {verdict}"
    if smoke:
        return f"[dim]{mark}[/]"
    if not row["as_expected"]:
        note = f" (expected {row['expect']})"
    else:
        note = "" if verdict == row["expect"] == "supported" else ", as expected"
    return f"[{COLORS[verdict]}]{mark}[/]{note}"


def tally(rows: Sequence[Row]) -> str:
    """`5 claims: 2 supported, 2 refuted, 1 inconclusive; 1 not as expected`."""
    counts = Counter(row["verdict"]["verdict"] for row in rows)
    counted = ", ".join(f"{counts[word]} {word}" for word in SYMBOLS)
    unexpected = sum(not row["as_expected"] for row in rows) or "none"
    text = f"{len(rows)} claim{'s' * (len(rows) != 1)}: {counted}; {unexpected} not as expected"
    failed = sum(row["outcome"] == "failed" for row in rows)
    if not failed:
        known = any(not row["as_expected"] and row["baseline"] for row in rows)
        return f"{text}, and nothing contradicts the baseline" if known else text
    fail = f"{failed} of them fail{'s' * (failed == 1)} the session"
    return f"{text}, and {fail}: a finding, nothing broke"


def edges(rows: Sequence[Row]) -> Iterator[str]:
    """Whose tuning ended at the edge of its grid: a larger grid may move the verdicts."""
    found = {
        f"{row['ablation']}, {arm}: {which}": None
        for row in rows
        for arm, which in row["edges"].items()
    }
    for edge in list(found)[:MOST_EDGES]:
        yield f"⚠ tuned at the edge of the grid: {edge}"
    if len(found) > MOST_EDGES:
        yield f"  and {len(found) - MOST_EDGES} more"
