"""Which cells are trained together, and how many at once: both rules are here alone.

Neither torch nor the data are needed to tell what can be trained in lanes.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgbench.recipe import Recipe, plain
from dlgbench.registry import ACTIVATIONS, OPTIMIZERS, PROBES, TASKS, Registry, load_plugins
from dlgbench.scale import SCALES

if TYPE_CHECKING:
    from dlgbench.ablation import Cell

PACKAGE = Path(__file__).parent
MODELS = ("mlp", "linear")  # the models whose layers `dlgbench.lanes.stack` knows
# what a recipe's `optimizer_args` may change; torch's other constants keep their defaults
CONSTANTS = ("momentum", "nesterov", "alpha", "rho", "betas", "eps", "etas", "step_sizes")
# of a recipe: what lanes of one stack may differ in
FREE = ("lr", "schedule", "init", "random_stream", "target")
FREE_DATA = ("train", "val", "standardize", "label_noise")
# numbers of which only it counts whether they are 0 or None: 0 times an infinity is no number
RATES = ("dropout", "input_dropout")
SWITCHES = ("momentum", "nesterov")

# Bytes of the largest layer, its weights, inputs and outputs, in all lanes that are trained at
# once: on a CPU lanes gain while they stay in the cache (`dlgbench bench lanes`); a GPU needs many
BYTES, BYTES_ON_A_GPU = 2**21, 2**28
MOST = 64  # lanes


def can_be_lanes(work: object) -> bool:
    """Whether a recipe can be trained in lanes: an MLP or a linear model, of the suite's own parts.

    A user's own task, optimizer, activation or observer runs in the single engine, which promises
    to call it as Lightning does.
    """
    if not isinstance(work, Recipe):
        return False
    names = (str(work.model_args.get("activation", "relu")),)
    parts: list[tuple[Any, str]] = [(TASKS, work.task), (OPTIMIZERS, work.optimizer)]
    parts += [(ACTIVATIONS, name) for name in names]
    parts += [(PROBES, name) for name in work.probes if _observes(name)]
    fits = (
        work.model in MODELS
        and work.task in ("classification", "regression")
        and set(work.optimizer_args) <= set(CONSTANTS)
    )
    return fits and not any(_is_own(registry, name) for registry, name in parts)


def _is_own(registry: Registry[Any], name: str) -> bool:
    """Whether a part is the user's own; this imports no module of the suite's, such as torch."""
    load_plugins()
    return any(part.name == name for part in registry.registered_outside(PACKAGE))


def _observes(probe: str) -> bool:
    return probe in PROBES and PROBES[probe].when == "training"


def key(cell: Cell) -> str:
    """Equal for cells that can be trained together: they differ in numbers alone."""
    assert isinstance(cell.work, Recipe)
    recipe = cell.work.to_dict()
    recipe = {name: value for name, value in recipe.items() if name not in FREE}
    recipe["max_norm"] = recipe["max_norm"] is not None
    recipe["weight_decay"] = bool(recipe["weight_decay"])
    data = recipe["data_args"].items()
    recipe["data_args"] = {name: value for name, value in data if name not in FREE_DATA}
    recipe["model_args"] |= {
        name: bool(recipe["model_args"][name]) for name in RATES if name in recipe["model_args"]
    }
    recipe["optimizer_args"] = {
        name: bool(value) if name in SWITCHES else None
        for name, value in recipe["optimizer_args"].items()
    }
    return json.dumps([recipe, cell.scale, cell.precision, cell.engine], sort_keys=True)


def most(cell: Cell) -> int:
    """How many lanes are trained at once with this cell, at most."""
    if cell.engine != "lanes" or not cell.work.steps:
        return 1
    assert isinstance(cell.work, Recipe)
    rows = cell.work.batch_size
    bound = BYTES_ON_A_GPU if SCALES[cell.scale].cuda else BYTES
    largest = max(a * b + rows * (a + b) for a, b in itertools.pairwise(_sizes(cell.work)))
    return max(1, min(MOST, bound // (4 * largest)))


def _sizes(work: Any) -> list[int]:
    """The widths of a model's layers, from its inputs to its outputs."""
    from dlgbench.data_table import sizes

    of = sizes(str(work.data))
    args: dict[str, Any] = plain(work.model_args)
    inputs = math.prod(of.input_shape) // work.data_args.get("shrink", 1) ** 2
    default: Sequence[int] = (128, 128) if work.model == "mlp" else ()
    hidden = args.get("hidden", default)
    if "width" in args:  # for which the models' package is needed, and torch with it
        from dlgbench.models.common import scaled

        hidden = [scaled(units, args["width"]) for units in hidden]
    return [inputs, *hidden, of.num_classes]
