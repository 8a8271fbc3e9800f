"""Which arms share a panel, so that a plot of many arms stays readable, and each arm's colour."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dlgbench.ablation import Work
from dlgbench.reports import words
from dlgbench.reports.study import Study, varying
from dlgbench.reports.style import ARMS, INK, LINES

MOST = 6  # lines in a panel, beside guests

Panels = dict[str, list[str]]  # title -> arms
Looks = dict[str, tuple[str, Any]]  # arm -> colour and line style


def arrange(study: Study, arms: Iterable[str], metric: str | None = None) -> tuple[Panels, Looks]:
    """Panels of these arms and their looks.

    The two arms of a claim (in the metric, if one is named) share a panel: where no split does
    that, the arm with the more comparisons is drawn in the other's panel too, and is black in all.
    Of a claim of three or more arms, as many do as a split allows.
    """
    works = {arm: study.works[arm] for arm in arms}
    together = study.compared(metric)
    panels = split(works, together)
    seen = looks(works, panels)
    pairs = [tuple(pair) for pair in together if len(pair) == 2 and pair <= set(works)]
    comparisons = Counter(arm for pair in pairs for arm in sorted(pair))
    home = {arm: title for title, panel in panels.items() for arm in panel}
    black = 0
    for pair in pairs:
        if any(set(pair) <= set(panel) for panel in panels.values()):
            continue
        guest, host = sorted(pair, key=lambda arm: (-comparisons[arm], list(works).index(arm)))
        if seen[guest][0] != INK:
            seen[guest] = INK, LINES[black % len(LINES)]
            black += 1
        panels = panels | {home[host]: [guest, *panels[home[host]]]}
    return panels, seen


def guests(panels: Panels) -> str:
    """A sentence on the arms that are drawn in more than one panel; empty where none is."""
    counts = Counter(arm for panel in panels.values() for arm in panel)
    black = [arm for arm, count in counts.items() if count > 1]
    if not black:
        return ""
    return (
        f"Black: {words.listing(black)}, also beside arms of other panels that claims compare it "
        "with, whose titles do not describe it."
    )


def one_panel(study: Study, arms: Sequence[str]) -> Looks:
    """The looks of arms that share a panel, however many they are."""
    return looks({arm: study.works[arm] for arm in arms}, {"": list(arms)})


def split(works: Mapping[str, Work], together: Sequence[set[str]]) -> Panels:
    """Panels of at most `MOST` arms.

    Grouped by one or two fields of the recipe: by those that keep most of the claims' arms
    together, then by those that make the fewest panels; where no field does, by the order of the
    arms.
    """
    arms = list(works)
    if len(arms) <= MOST:
        return {"": arms}
    fields = varying(works)
    pairs = [pair for pair in together if pair <= set(arms)]
    best: tuple[tuple[int, int], Panels] | None = None
    for size in (1, 2):
        for chosen in itertools.combinations(fields, size):
            panels: Panels = {}
            for arm in arms:
                title = ", ".join(f"{_name(field)} {fields[field][arm]}" for field in chosen)
                panels.setdefault(title, []).append(arm)
            if max(map(len, panels.values())) > MOST or 2 * len(panels) > len(arms):
                continue
            apart = sum(not any(pair <= set(panel) for panel in panels.values()) for pair in pairs)
            if best is None or (apart, len(panels)) < best[0]:
                best = (apart, len(panels)), panels
    if best:
        return best[1]
    return {
        f"arms {at + 1} to {min(at + MOST, len(arms))}": arms[at : at + MOST]
        for at in range(0, len(arms), MOST)
    }


def _name(field: str) -> str:
    """What a panel's title calls a field: `kappa`, but `target val/loss`."""
    return field.replace(".", " ") if field.startswith("target") else words.short(field)


def looks(works: Mapping[str, Work], panels: Panels) -> Looks:
    """(colour, line style) of each arm.

    Arms of different panels that differ only in what tells the panels apart look the same.
    """
    fields = varying(works)
    apart = [
        field
        for field, values in fields.items()
        if all(len({values[arm] for arm in panel}) == 1 for panel in panels.values())
    ]
    telling = [field for field in fields if field not in (*apart, "steps")]
    kinds = {arm: tuple(fields[field][arm] for field in telling) for arm in works}
    order = list(dict.fromkeys(kinds.values()))
    alike = any(len({kinds[arm] for arm in panel}) < len(panel) for panel in panels.values())
    if len(order) > len(ARMS) or alike:
        places = {arm: place for panel in panels.values() for place, arm in enumerate(panel)}
    else:
        places = {arm: order.index(kind) for arm, kind in kinds.items()}
    return {
        arm: (ARMS[place % len(ARMS)], LINES[place % len(LINES)]) for arm, place in places.items()
    }
