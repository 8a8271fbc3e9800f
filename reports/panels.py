"""Which arms share a panel, so that a figure of many arms stays readable, and which colour each one has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from dlgbench.recipe import Recipe
from dlgbench.reports import style, words

MOST = 6  # lines in a panel

Panels = dict[str, list[str]]  # title -> arms


def varying(recipes: Mapping[str, Recipe]) -> dict[str, dict[str, str]]:
    """The recipe fields in which arms differ: field -> arm -> value as text."""
    flat: dict[str, dict[str, Any]] = {arm: recipe.flat() for arm, recipe in recipes.items()}
    fields = dict.fromkeys(field for values in flat.values() for field in values)
    table = {
        field: {arm: words.setting(values.get(field)) for arm, values in flat.items()}
        for field in fields
    }
    return {field: values for field, values in table.items() if len(set(values.values())) > 1}


def split(recipes: Mapping[str, Recipe], together: Sequence[set[str]]) -> Panels:
    """Panels of at most `MOST` arms.

    Grouped by one or two recipe fields: by those that keep most of the claims' arms together, then by those that make the fewest
    panels; where no field does, by the order of the arms.
    """
    arms = list(recipes)
    if len(arms) <= MOST:
        return {"": arms}
    fields = varying(recipes)
    best: tuple[tuple[int, int], Panels] | None = None
    for chosen in itertools.chain(
        itertools.combinations(fields, 1), itertools.combinations(fields, 2)
    ):
        found: Panels = {}
        for arm in arms:
            found.setdefault(
                ", ".join(_title(field, fields[field][arm]) for field in chosen), []
            ).append(arm)
        if max(map(len, found.values())) > MOST or 2 * len(found) > len(arms):
            continue
        apart = sum(
            not any(pair <= set(panel) for panel in found.values())
            for pair in together
            if pair <= set(arms)
        )
        if best is None or (apart, len(found)) < best[0]:
            best = (apart, len(found)), found
    if best:
        return best[1]
    return {
        f"arms {at + 1} to {min(at + MOST, len(arms))}": arms[at : at + MOST]
        for at in range(0, len(arms), MOST)
    }


def _title(field: str, value: str) -> str:
    return f"{field.rpartition('.')[2]} {value}"


def colours(recipes: Mapping[str, Recipe], panels: Panels) -> dict[str, tuple[str, Any]]:
    """(colour, line style) of each arm; arms of different panels that differ only in what tells the panels apart look the same."""
    fields = varying(recipes)
    apart = [
        field
        for field, values in fields.items()
        if all(len({values[arm] for arm in panel}) == 1 for panel in panels.values())
    ]
    names = {
        arm: tuple(
            values[arm] for field, values in fields.items() if field not in (*apart, "steps")
        )
        for arm in recipes
    }
    order = list(dict.fromkeys(names.values()))
    if len(order) > len(style.ARMS) or any(
        len({names[arm] for arm in panel}) < len(panel) for panel in panels.values()
    ):
        places = {arm: place for panel in panels.values() for place, arm in enumerate(panel)}
    else:
        places = {arm: order.index(name) for arm, name in names.items()}
    return {
        arm: (style.ARMS[place % len(style.ARMS)], style.LINES[place % len(style.LINES)])
        for arm, place in places.items()
    }
