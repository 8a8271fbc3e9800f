"""What a user sees while a page is made."""

import io

import pytest
from rich.console import Console

from dlgbench.reports import watch


def shown(*, terminal):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=80)
    return watch.Watch(console), text


def test_a_file_gets_a_line_now_and_then_and_one_at_the_end(monkeypatch):
    clock = iter(range(0, 1000, 4))  # seconds, 4 at each look
    monkeypatch.setattr(watch.time, "monotonic", lambda: float(next(clock)))
    watching, text = shown(terminal=False)
    assert list(watching.over("abcdefgh", "figures", 8)) == list("abcdefgh")
    lines = text.getvalue().splitlines()
    assert lines[0] == "figures 3 of 8"
    assert lines[-1] == "figures 8 of 8"
    assert len(lines) < 8


def test_what_is_quick_says_nothing_in_a_file(monkeypatch):
    monkeypatch.setattr(watch.time, "monotonic", lambda: 5.0)
    watching, text = shown(terminal=False)
    assert list(watching.over([1, 2], "figures", 2)) == [1, 2]
    assert text.getvalue() == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_to_count_is_nothing_to_show(terminal):
    watching, text = shown(terminal=terminal)
    assert list(watching.over([], "figures", 0)) == []
    assert text.getvalue() == ""


def test_a_terminal_gets_a_bar_that_counts():
    watching, text = shown(terminal=True)
    assert list(watching.over("ab", "figures", 2)) == ["a", "b"]
    assert "figures" in text.getvalue()
    assert "2/2" in text.getvalue()
