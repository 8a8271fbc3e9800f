"""What is learnt: one LightningModule per task, so that models and tricks never multiply."""

from __future__ import annotations

from typing import Any

from dlgbench.errors import unknown
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


def create(model: str, *, task: str | None = None, model_args: dict[str, Any] | None = None, **recipe: Any) -> Task:
    """A ready LightningModule: any model, any task (default: what the model is made for), the rest as in `Recipe` (`lr=0.1`, `optimizer="adam"`, ...).

    It takes an ordinary DataLoader's (x, y) batches, or this package's stacks of minibatches.

    Raises:
        DlgbenchError: for an unknown model, task, loss, or field.
    """
    if model not in MODELS:
        raise unknown("model", model, MODELS)
    task = task or MODELS[model].task
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    declared = Recipe(model=model, steps=0, task=task, model_args=model_args or {}).but(recipe)
    return TASKS[task](create_model(model, **declared.model_args), declared)
