"""What is learnt: one LightningModule per task, so that models and tricks never multiply."""

from __future__ import annotations

from typing import Any

from dlgbench.errors import unknown
from dlgbench.models import create_model
from dlgbench.recipe import Recipe
from dlgbench.tasks.classification import Classification

TASKS = {"classification": Classification}


def create(model: str, *, task: str = "classification", model_args: dict[str, Any] | None = None, **recipe: Any) -> Classification:
    """A ready LightningModule: any model, any task, the rest as in `Recipe` (`lr=0.1`, `optimizer="adam"`, ...).

    It takes an ordinary DataLoader's (x, y) batches, or this package's stacks of minibatches.

    Raises:
        DlgbenchError: for an unknown model, task, or field.
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    declared = Recipe(model=model, steps=0, task=task, model_args=model_args or {}).but(recipe)
    return TASKS[task](create_model(model, **declared.model_args), declared)
