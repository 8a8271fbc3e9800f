"""Arms that differ in depth: which recipe is how deep, and what else tells the arms apart (the trick)."""

from __future__ import annotations

import re
from typing import Any

from dlgbench.recipe import Recipe
from dlgbench.reports import words
from dlgbench.reports.study import Study

BUDGET = (
    "steps",
    "evaluations",
    "probes",
    "lr",
    "target",
)  # may go with the depth, and make no other trick


def depth(recipe: Recipe) -> int | None:
    """The number of hidden layers, the model's argument `depth`, or the number that ends its name; None where there is none of these."""
    if "hidden" in recipe.model_args:
        return len(recipe.model_args["hidden"])
    if "depth" in recipe.model_args:
        return int(recipe.model_args["depth"])
    number = re.search(r"\d+$", recipe.model)
    return int(number[0]) if number else None


def _rest(recipe: Recipe) -> dict[str, Any]:
    """The recipe without its depth."""
    rest = {
        name: value
        for name, value in recipe.flat().items()
        if name not in (*BUDGET, "model_args.depth")
    }
    if "hidden" in recipe.model_args:
        rest["model_args.hidden"] = sorted(set(recipe.model_args["hidden"])) or rest.get(
            "model_args.hidden"
        )
    return rest | {"model": re.sub(r"\d+$", "", recipe.model)}


def ladders(study: Study) -> dict[str, dict[int, str]]:
    """The trained arms by trick and depth, `{"relu": {2: "relu_2", 10: "relu_10"}, ...}`; a trick at one depth only is left out."""
    trained = set(study.figures("test/error")["arm"]) | set(study.diverged())
    found: dict[str, tuple[dict[str, Any], dict[int, str]]] = {}
    for arm in study.arms:
        recipe = study.ablation.arm(arm, study.scale)
        deep = depth(recipe)
        if arm in trained and recipe.steps and deep:
            rest = _rest(recipe)
            found.setdefault(repr(sorted(rest.items())), (rest, {}))[1].setdefault(deep, arm)
    kept = [(rest, dict(sorted(rungs.items()))) for rest, rungs in found.values() if len(rungs) > 1]
    names = [_stem(rungs) for _, rungs in kept]
    if len(set(names)) < len(names) or "" in names:
        names = _told_apart([rest for rest, _ in kept])
    return {name: rungs for name, (_, rungs) in zip(names, kept, strict=True)}


def _stem(rungs: dict[int, str]) -> str:
    """What the arms' names have in common when the depth is taken out; empty where they have nothing."""
    stems = {
        re.sub(r"[_-]*x(?=\d)", "_", re.sub(rf"[_-]?(?<!\d){deep}(?!\d)", "", arm)).strip("_-")
        for deep, arm in rungs.items()
    }
    return stems.pop() if len(stems) == 1 else ""


def _told_apart(rests: list[dict[str, Any]]) -> list[str]:
    fields = [
        field
        for field in dict.fromkeys(name for rest in rests for name in rest)
        if len({repr(rest.get(field)) for rest in rests}) > 1
    ]
    return [
        ", ".join(
            f"{field.rpartition('.')[2]} {words.setting(rest.get(field))}" for field in fields
        )
        or "all"
        for rest in rests
    ]
