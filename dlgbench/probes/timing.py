"""How time is measured: warm, synchronised, in interleaved rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Ways = Mapping[str, Callable[[], object]]


def synchronised() -> float:
    """The clock, in seconds, once a GPU has done all that it was given."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(call: Callable[[], object]) -> float:
    """What a call takes."""
    start = synchronised()
    call()
    return synchronised() - start


def in_rounds(ways: Ways, rounds: int) -> list[dict[str, float]]:
    """The seconds that one call of each way takes, in each round.

    A round calls all ways, one after the other, every second round in reverse order, so that what
    changes on the machine meets them all. Each way is called once before, to warm up.
    """
    for way in ways.values():
        way()
    orders = (list(ways), list(ways)[::-1])
    return [{name: seconds(ways[name]) for name in orders[k % 2]} for k in range(rounds)]


def interleaved(ways: Ways, rounds: int) -> dict[str, float]:
    """The median over interleaved rounds of the seconds that one call of each way takes.

    `interleaved({"eager": lambda: net(x), "compiled": lambda: compiled(x)}, rounds=20)`. A way
    should take a millisecond or more. Compile before: one call alone is not counted.
    """
    measured = in_rounds(ways, rounds)
    return {name: statistics.median(times[name] for times in measured) for name in ways}
