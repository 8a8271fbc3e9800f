"""Verdicts of an earlier run, to compare new ones with: a file that the report wrote, or a store.

The file is `reports/results/<scale>.json`, which `dlgbench run --save-baseline` writes. A verdict
that contradicts its expectation, but not the baseline, is a finding that reproduces, and fails
nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from dlgbench import words
from dlgbench.claim import id_of
from dlgbench.errors import DlgbenchError

if TYPE_CHECKING:
    from dlgbench.claim import Claim, Verdict
    from dlgbench.tracking import Store

FOLDER = Path("reports") / "results"  # of a repository, where its baselines lie
Key = tuple[str, str]  # an ablation's name, with `@data` on another data set; a claim's id
Relation = Literal["same", "open", "other"]


@dataclasses.dataclass(frozen=True)
class Past:
    """A verdict of an earlier run.

    Args:
        statement: the claim.
        verdict: `supported`, `refuted` or `inconclusive`.
        effect, interval, n: its numbers.
        scale: how the effect is read (`Effect.scale`).
        asked: what was asked (`Claim.asked`); "" where it is not known.
        date: when its runs were made, if earlier than the others of its baseline.
    """

    statement: str
    verdict: str
    effect: float
    interval: tuple[float, float]
    n: int
    scale: words.Scale = "linear"
    asked: str = ""
    date: str = ""

    def __str__(self) -> str:
        """`supported: 0.019 [0.015, 0.023]`."""
        effect = words.effect(self.effect, self.scale)
        low, high = self.interval
        between = "" if low == high else f" {words.interval(low, high, self.scale)}"
        return f"{self.verdict}: {effect}{between}"

    def relation(self, verdict: Verdict | Past) -> Relation:
        """How another verdict on the claim stands to this one.

        Returns:
            `same`; `open`, where one of the two is inconclusive and their intervals overlap, as
            where an effect sits on the threshold and another processor rounds differently; or
            `other`, also where the other verdict is inconclusive and its interval lacks an end that
            this one's has: runs diverged, say.
        """
        ends = list(zip(self.interval, verdict.interval, strict=True))
        open_end = any(math.isfinite(old) and math.isinf(new) for old, new in ends)
        if open_end and verdict.verdict == "inconclusive":
            return "other"
        if verdict.verdict == self.verdict:
            return "same"
        (low, high), (least, most) = self.interval, verdict.interval
        overlap = low <= most and least <= high
        return "open" if "inconclusive" in (verdict.verdict, self.verdict) and overlap else "other"


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The verdicts of an earlier run at one scale.

    Args:
        source: the file, or the URI of the store.
        scale: the scale of the runs.
        date: when they were made, `2026-11-23`; empty for a store.
        verdicts: the verdict on each claim.
    """

    source: str
    scale: str
    date: str
    verdicts: Mapping[Key, Past]


@functools.cache
def read(file: Path) -> Baseline:
    """The baseline that a file holds.

    Raises:
        DlgbenchError: where it can't be read, or is no such file.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return Baseline(str(file), record["scale"], record["date"][:10], dict(_entries(record)))
    except OSError as error:
        raise DlgbenchError(f"baseline {file}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DlgbenchError(
            f"baseline {file}: expected a file that dlgbench run --save-baseline wrote, got "
            "something else"
        ) from None


def against(
    claim: Claim, verdict: Verdict, ablation: str, baseline: Baseline | None
) -> tuple[bool, str]:
    """Whether a verdict fails the session, and how it stands to the baseline's, in words.

    It fails where it contradicts both what was expected and the baseline: where it is decided
    against the expectation and not the same there; or where it is inconclusive, and is not open
    there (`Past.relation`). Without a baseline, or with one whose claim asked something else, it
    fails where it is decided against the expectation.
    """
    past = baseline.verdicts.get((ablation, claim.id)) if baseline else None
    decided = verdict.verdict != "inconclusive"
    if past is None or baseline is None:
        return decided and not verdict.passes(claim), ""
    date = past.date or baseline.date
    where = f"in the baseline{f' of {date}' if date else ''}"
    if past.asked not in ("", claim.asked):
        return decided and not verdict.passes(claim), f"{where} it asked {past.asked}"
    relation = past.relation(verdict)
    if relation == "same":
        return False, f"as {where}"
    fails = not verdict.passes(claim) and (decided or relation == "other")
    return fails, f"{where} {past}"


def compared(a: Baseline, b: Baseline) -> list[tuple[Key, Past, Past]]:
    """The claims that both have asked, each with its two verdicts, in the order of the first."""
    both = [(key, past, b.verdicts[key]) for key, past in a.verdicts.items() if key in b.verdicts]
    return [(key, x, y) for key, x, y in both if "" in (x.asked, y.asked) or x.asked == y.asked]


def of_repository(root: Path, scale: str) -> Baseline | None:
    """A repository's own baseline at a scale; None where it has none.

    Raises:
        DlgbenchError: where the file is damaged.
    """
    file = root / FOLDER / f"{scale}.json"
    return read(file) if file.is_file() else None


def of_store(store: Store, scale: str) -> Baseline:
    """The last verdicts in a store.

    Raises:
        DlgbenchError: where the store is out of reach.
    """
    found = {}
    for key, tags in store.last_verdicts(scale).items():
        record = json.loads(tags["figures"]) | {"claim": tags.get("statement", key[1])}
        record["asked"] = tags.get("asked", "")
        found[key] = _past(record, cast("words.Scale", tags.get("effect_scale", "linear")))
    return Baseline(store.uri, scale, "", found)


def _entries(record: Mapping[str, Any]) -> Iterator[tuple[Key, Past]]:
    scales: dict[Key, words.Scale] = {}
    for claim in record["claims"]:
        key = claim["ablation"], id_of(claim["claim"])
        scales[key] = claim["scale"]
        yield key, _past(claim, claim["scale"])
    for claim in record["replications"]:
        name, of = claim["ablation"], id_of(claim["claim"])
        yield (f"{name}@{claim['data']}", of), _past(claim, scales.get((name, of), "linear"))


def _past(record: Mapping[str, Any], scale: words.Scale) -> Past:
    low, high = map(float, record["interval"])
    return Past(
        record["claim"],
        record["verdict"],
        float(record["effect"]),
        (low, high),
        int(record["n"]),
        scale,
        record.get("asked", ""),
        record.get("date", "")[:10],
    )
