"""What a network's forward pass takes, counted without data: for a plan.

The networks of the catalogue are in `operations.json`, so that a plan needs no torch; a test
compares the file with the networks. `python -m dlgbench.operations` writes it again, in the
repository. What is not in the file, such as a user's own model, is counted once and remembered in
the user's cache.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dlgbench.data_table import sizes
from dlgbench.recipe import Recipe, plain
from dlgbench.registry import DATA, MODELS

FILE = Path(__file__).with_suffix(".json")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dlgbench"


class Cost(NamedTuple):
    """What one example's forward pass takes, in evaluation mode.

    Args:
        flops: floating-point operations of convolutions and matrix products, two for a
            multiply-add.
        kernels: tensor operations that compute something: so often a GPU is sent to work.
        outputs: numbers that these write.
        parameters: of the network.
    """

    flops: float
    kernels: int
    outputs: int
    parameters: int


NOTHING = Cost(0.0, 0, 0, 0)


def forward(recipe: Recipe) -> Cost:
    """The cost of a recipe's network; `NOTHING` without data, and where it can't be counted."""
    if not recipe.data or recipe.data not in DATA:
        return NOTHING
    asked = _asked(recipe)
    if asked in _table():  # before `MODELS`, which imports torch
        return Cost(*_table()[asked])
    if recipe.model not in MODELS:
        return NOTHING
    try:
        return _remembered(asked, MODELS[recipe.model].source)
    except Exception:  # noqa: BLE001  (a user's model may refuse torch's meta device)
        return NOTHING  # a plan only estimates: it never stops a run


def _asked(recipe: Recipe) -> str:
    """The network as JSON: model, arguments, and its data's input shape and classes."""
    of = sizes(str(recipe.data))
    shape = of.input_shape
    if len(shape) == 3:
        side = recipe.data_args.get("shrink", 1)
        shape = (shape[0], shape[1] // side, shape[2] // side)
    args = plain(recipe.model_args)
    return json.dumps([recipe.model, dict(sorted(args.items())), shape, of.num_classes])


@functools.cache
def _table() -> dict[str, Any]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


@functools.cache
def _remembered(asked: str, source: Path) -> Cost:
    """The cost of what is not in the table, from the user's cache or counted now."""
    file, known = CACHE / "operations.json", {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(file.read_text())
    key = json.dumps([asked, source.stat().st_mtime_ns])
    if key not in known:
        known[key] = counted(asked)
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(known))
            draft.replace(file)
    return Cost(*known[key])


def counted(asked: str) -> Cost:
    """The cost, counted on torch's meta device: nothing is allocated."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from dlgbench.models import create_model
    from dlgbench.probes.cost import flops
    from dlgbench.probes.subject import Subject

    model, args, shape, num_classes = json.loads(asked, object_hook=_as_arguments)
    shape = tuple(shape)
    for argument, value in (("input_shape", shape), ("num_classes", num_classes)):
        if MODELS[model].default(argument) is not None:
            args.setdefault(argument, value)
    written: list[int] = []

    class Kernels(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            if not func.is_view:
                of = out if isinstance(out, (tuple, list)) else [out]
                written.append(sum(t.numel() for t in of if isinstance(t, torch.Tensor)))
            return out

    with torch.device("meta"):
        network = create_model(model, **args).eval()
        x = torch.empty((1, *shape), dtype=next(network.parameters()).dtype)
    operations = flops(Subject(network, shape)).metrics["flops"]
    with torch.no_grad(), Kernels():
        network(x)
    parameters = sum(p.numel() for p in network.parameters())
    return Cost(operations, len(written), sum(written), parameters)


def _as_arguments(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Tuples, as arguments of a model are, which JSON made lists."""
    return {name: _as_tuple(value) for name, value in fields.items()}


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def write(folder: Path) -> None:
    """Counts the networks of all ablations in a folder, at every scale, and writes the file."""
    from dlgbench.discovery import discover
    from dlgbench.scale import JUDGED

    asked = {
        _asked(work)
        for scale in JUDGED
        for ablation in discover(folder)
        for work in (ablation.arm(arm, scale) for arm in ablation.arms_at(scale))
        if isinstance(work, Recipe) and work.data
    }
    rows = [f"{json.dumps(each)}: {json.dumps(counted(each))}" for each in sorted(asked)]
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    write(Path("ablations"))
