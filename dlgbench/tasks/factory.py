"""`create`: any model with any task as a ready LightningModule, for a user's own Trainer."""

from __future__ import annotations

from typing import Any, cast

import torch

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers import initialization
from dlgbench.models import create_model
from dlgbench.recipe import Recipe
from dlgbench.registry import MODELS, TASKS
from dlgbench.tasks.base import Task

USED = (  # the fields of a recipe that a LightningModule uses
    "task",
    "loss",
    "init",
    "optimizer",
    "optimizer_args",
    "lr",
    "weight_decay",
    "schedule",
    "max_norm",
)


def create(model: str, *, model_args: dict[str, Any] | None = None, **recipe: Any) -> Task:
    """A ready LightningModule: any model with any task (default: what the model is made for).

    It takes an ordinary DataLoader's batches (x, y). A schedule runs over the Trainer's steps. The
    initial weights are those that the model's constructor draws, unless `init` names an
    initialization. What is logged is averaged by Lightning over batches, weighted by their rows;
    that applies to PSNR and mIoU too.

    Args:
        model: a name that `dlgbench models` lists.
        model_args: keyword arguments of its builder.
        recipe: loss, init, optimizer, lr, schedule and the like, as in `Recipe`.

    Raises:
        DlgbenchError: for an unknown model, task, loss, optimizer, schedule or initialization, or a
            field of `Recipe` that only `train` uses.
    """
    for name in recipe:
        if name not in USED:
            raise unknown("argument", name, ("model_args", *USED), "create")
    defaults = {"task": MODELS[model].task, "init": "default"}
    declared = Recipe(model=model, steps=0, model_args=model_args or {}, **{**defaults, **recipe})
    task = TASKS[declared.task].make
    if declared.init == "lsuv":
        raise DlgbenchError(
            "create: expected init orthogonal and then "
            "dlgbench.layers.initialization.lsuv(module.network, x), got init lsuv, which needs a "
            "batch"
        )
    seed = int(torch.randint(2**62, ()))
    network = initialization.build(
        lambda: create_model(model, **declared.model_args), str(declared.init), seed
    )
    module = task(network, declared)
    module.optimizer()  # refuses what makes no sense
    return cast("Task", module)
