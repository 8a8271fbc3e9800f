"""How often a verdict is wrong: a simulation of families of claims on the threshold.

`dlgbench bench judge` runs it; docs/statistics.md shows its table.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special, stats

from dlgbench.samples import Mean
from dlgbench.stats import ALPHA

Array = np.ndarray
Law = Callable[[np.random.Generator, tuple[int, int]], Array]
LAWS: dict[str, Law] = {  # effects with mean 0; normal ones with SD 1
    "normal": lambda rng, size: rng.normal(size=size),
    "t3": lambda rng, size: rng.standard_t(3, size),
    "exponential": lambda rng, size: rng.exponential(size=size) - 1,
    "-exponential": lambda rng, size: 1 - rng.exponential(size=size),
    "lognormal": lambda rng, size: rng.lognormal(size=size) - math.exp(0.5),
    "-lognormal": lambda rng, size: math.exp(0.5) - rng.lognormal(size=size),
}
SEEDS, FAMILIES, SHIFTS = (5, 10, 20), (1, 5, 10), (1.0, 1.5)


def averaged(x: Array) -> Array:
    """Two-sided p values of samples x (N, n) by the method of `judge`; H0: the mean is 0."""
    return np.asarray(2 * np.min(Mean(x).tails(0.0), axis=0))


def student(x: Array) -> Array:
    """By Student's t test."""
    return np.asarray(stats.ttest_1samp(x, 0.0, axis=1).pvalue)


def hall(x: Array) -> Array:
    """By Hall's (1992) cubic transformation of t, which takes out the sample's own skewness."""
    n, mean, spread = x.shape[1], x.mean(1), x.std(1, ddof=1)
    ratio = mean / spread
    skewness = (((x - mean[:, None]) / spread[:, None]) ** 3).mean(1)
    moved = ratio + skewness * ratio**2 / 3 + skewness**2 * ratio**3 / 27 + skewness / (6 * n)
    return np.asarray(2 * special.stdtr(n - 1, -math.sqrt(n) * np.abs(moved)))


def both(x: Array) -> Array:
    """By t and the sign-flip test together: the larger p value. 1,999 flips, or all below that."""
    n, rng = x.shape[1], np.random.default_rng(0)
    flips = rng.choice((-1.0, 1.0), (1999, n))
    if n <= 10:
        flips = 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1
    extreme = np.abs(x @ flips.T) >= np.abs(x.sum(1))[:, None] * (1 - 1e-12)
    share = extreme.mean(1) if n <= 10 else (extreme.sum(1) + 1) / 2000
    return np.maximum(student(x), share)


METHODS: dict[str, Callable[[Array], Array]] = {
    "shape-averaged t": averaged,
    "Student's t": student,
    "Hall's t": hall,
    "t and sign flips": both,
}


def wrong(p: Array, family: int) -> float:
    """The share of families of independent claims with a wrong decision, in percent.

    p (N,) are p values of claims whose effect is on the threshold, where every decision is wrong.
    Holm's method decides something in a family exactly where the smallest p is at most
    ALPHA / family.
    """
    return 100 * float(1 - (1 - (p <= ALPHA / family).mean()) ** family)


def power(p: Array, family: int) -> float:
    """The share of claims decided in percent, where the family's others are on the threshold."""
    return 100 * float((p <= ALPHA / family).mean())


def simulate(samples: int, seed: int = 0) -> dict[str, Any]:
    """Wrong decisions and power of each method, law, number of seeds and size of family.

    Args:
        samples: how many samples of each law and number of seeds; all methods get the same ones.
    """
    rng = np.random.default_rng(seed)
    drawn: Mapping[str, Law] = LAWS | {
        f"normal + {shift:g} SD": functools.partial(_shifted, shift) for shift in SHIFTS
    }
    rows = []
    for n in SEEDS:
        for law, draw in drawn.items():
            parts = [draw(rng, (1000, n)) for _ in range(samples // 1000)]
            share = wrong if law in LAWS else power
            for method, p_of in METHODS.items():
                p = np.concatenate([p_of(x) for x in parts])
                by_family = {str(family): round(share(p, family), 1) for family in FAMILIES}
                rows.append({"method": method, "seeds": n, "law": law, "percent": by_family})
    return {"benchmark": "judge", "samples": samples, "rows": rows}


def _shifted(shift: float, rng: np.random.Generator, size: tuple[int, int]) -> Array:
    return rng.normal(shift, 1, size)


def table(result: Mapping[str, Any]) -> str:
    """The result as a table in Markdown: percent in families of 1, 5 and 10 claims."""
    laws = list(dict.fromkeys(row["law"] for row in result["rows"]))
    lines = [f"| method | n | {' | '.join(laws)} |", f"|{' --- |' * (len(laws) + 2)}"]
    for method in METHODS:
        for n in SEEDS:
            cells = {
                row["law"]: " / ".join(f"{x:.1f}" for x in row["percent"].values())
                for row in result["rows"]
                if (row["method"], row["seeds"]) == (method, n)
            }
            lines.append(f"| {method} | {n} | {' | '.join(cells[law] for law in laws)} |")
    return "\n".join(lines)
