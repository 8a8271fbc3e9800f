import pytest

from dlgbench import interleaved
from dlgbench.probes import timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for `clock.pass_(seconds)`."""

    class Clock:
        now = 5.0

        def pass_(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.now)
    return clock


def test_ways_take_turns_after_a_warm_up_and_the_median_counts(clock):
    calls = []
    seconds = {"a": iter((9, 1, 5, 3)), "b": iter((9, 2, 8, 2))}

    def way(name):
        calls.append(name)
        clock.pass_(next(seconds[name]))

    ways = {name: lambda name=name: way(name) for name in seconds}
    assert interleaved(ways, rounds=3) == {"a": 3, "b": 2}
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"


def test_rounds_stay_paired(clock):
    seconds = iter((0, 0, 1, 2, 30, 10))
    ways = dict.fromkeys("ab", lambda: clock.pass_(next(seconds)))
    assert timing.in_rounds(ways, 2) == [{"a": 1, "b": 2}, {"b": 30, "a": 10}]
