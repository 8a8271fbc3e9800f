"""The table of `dlgbench models`: parameters, FLOPs and receptive field of every model.

Every model is measured at its paper's size, the builder's defaults. The suite's own are in
`model_table.json`, so that listing them is quick and needs no torch; a test compares the file with
the models. `python -m dlgbench.model_table` writes it again. Models of plugins are measured when
they are listed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dlgbench.registry import MODELS, Model, load_plugins

FILE = Path(__file__).with_suffix(".json")


def rows() -> list[dict[str, Any]]:
    """A row for each model, by year and family."""
    load_plugins()
    own = [measured(model) for model in MODELS.registered_outside(FILE.parent)]
    return _sorted([*json.loads(FILE.read_text()), *own])


def measured(model: Model) -> dict[str, Any]:
    """The row of a model. It is built on torch's meta device: only shapes are computed."""
    import torch

    from dlgbench.probes.cost import flops
    from dlgbench.probes.receptive_field import field
    from dlgbench.probes.subject import Subject

    with torch.device("meta"):
        network = model.build().eval()
    shape = tuple(model.default("input_shape"))
    seen = field(network, shape) if len(shape) == 3 else None
    return {
        "name": model.name,
        "family": model.family,
        "year": model.year,
        "paper": model.paper,
        "task": model.task,
        "input_shape": list(shape),
        "parameters": sum(p.numel() for p in network.parameters()),
        "flops": flops(Subject(network, shape)).metrics["flops"],
        "receptive_field": None if seen is None else seen[0],
        "proof": model.proof,
    }


def write() -> None:
    """Measures the suite's own models and writes the file."""
    own = [model for model in MODELS.values() if FILE.parent in model.file.parents]
    lines = [json.dumps(row) for row in _sorted([measured(model) for model in own])]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _sorted(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(table, key=lambda row: (row["year"], row["family"], row["name"]))


if __name__ == "__main__":
    write()
