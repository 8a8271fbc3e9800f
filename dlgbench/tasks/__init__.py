"""What is learnt: one LightningModule per task, so that models and tricks never multiply."""

from __future__ import annotations

from typing import Any

import torch

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers import initialization
from dlgbench.models import MODELS, create_model
from dlgbench.recipe import Recipe
from dlgbench.tasks.base import Task
from dlgbench.tasks.classification import Classification
from dlgbench.tasks.dense import ImageToImage, Segmentation
from dlgbench.tasks.minimization import Minimization
from dlgbench.tasks.regression import Regression

TASKS: dict[str, type[Task]] = {
    "classification": Classification,
    "regression": Regression,
    "image_to_image": ImageToImage,
    "segmentation": Segmentation,
    "minimization": Minimization,
}


LEARNT = (
    "task",
    "loss",
    "init",
    "optimizer",
    "optimizer_args",
    "lr",
    "weight_decay",
    "schedule",
    "max_norm",
)  # what of a recipe a LightningModule heeds


def create(model: str, *, model_args: dict[str, Any] | None = None, **recipe: Any) -> Task:
    """A ready LightningModule: any model, any task (default: what the model is made for), and of `Recipe` loss, init, optimizer, lr, schedule and the like.

    It takes an ordinary DataLoader's (x, y) batches, or this package's stacks of minibatches; a schedule runs over the Trainer's steps. Weights begin as the
    model's constructor draws them, unless `init` names a scheme. Lightning averages what is logged over batches by their rows, also PSNR and mIoU.

    Raises:
        DlgbenchError: for an unknown model, task, loss, optimizer, schedule or scheme, or a field of `Recipe` that only `train` heeds.
    """
    if model not in MODELS:
        raise unknown("model", model, MODELS)
    for name in recipe:
        if name not in LEARNT:
            raise unknown("argument", name, ("model_args", *LEARNT), "create")
    declared = Recipe(
        model=model,
        steps=0,
        model_args=model_args or {},
        **{"task": MODELS[model].task, "init": "default", **recipe},
    )
    if declared.task not in TASKS:
        raise unknown("task", declared.task, TASKS)
    if declared.init == "lsuv":
        raise DlgbenchError(
            "create: init lsuv wants a batch; take init orthogonal, then dlgbench.layers.initialization.lsuv(module.network, x)"
        )
    network = initialization.build(
        lambda: create_model(model, **declared.model_args),
        str(declared.init),
        int(torch.randint(2**62, ())),
    )
    module = TASKS[declared.task](network, declared)
    module.configure_optimizers()
    return module
