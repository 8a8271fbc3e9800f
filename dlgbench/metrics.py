"""What a training records: the names that a claim may speak of. No torch, so that a misspelt metric is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlgbench.errors import unknown
from dlgbench.registry import PROBES, TASKS

if TYPE_CHECKING:
    from dlgbench.recipe import Recipe

SPLITS = {  # its name in a text, and when it is measured
    "train": ("training", "after training"),
    "val": ("validation", "after the last step"),
    "test": ("test", "read once after the last step"),
}
PARAMETERS = {"parameters": "number of trainable parameters"}
SECONDS = {"seconds": "wall time of the optimizer steps and the evaluations between them"}
TARGET = {
    "steps_to_target": "first evaluation at which the target was met, in steps; censored at the budget"
}
# A diverged run has the worst rank under these: it never got there. A setting is chosen by them, too.
SMALLER_IS_BETTER = ("error", "loss", "mse", "distance", "steps_to_target")
LARGER_IS_BETTER = ("r2", "psnr", "miou", "accuracy", "auc", "f1")


def larger_is_better(metric: str) -> bool:
    """Whether a metric's last word is one of `LARGER_IS_BETTER`: `val/accuracy`, `val/top1_accuracy`."""
    return metric.replace("/", "_").rpartition("_")[2] in LARGER_IS_BETTER


def smaller_is_better(metric: str) -> bool:
    """Whether a metric's name after the last "/" is one of `SMALLER_IS_BETTER`."""
    return metric.rpartition("/")[2] in SMALLER_IS_BETTER


def trained(task: str) -> dict[str, str]:
    """The metrics of a training by the name `split/metric`, with what each one is.

    Raises:
        DlgbenchError: for an unknown task.
    """
    metrics = {"loss": "mean loss over the {split} split"} | dict(TASKS[task].metrics)
    return {
        f"{split}/{name}": f"{text.format(split=word)}, {moment}"
        for split, (word, moment) in SPLITS.items()
        for name, text in metrics.items()
    }


def curves(task: str) -> tuple[str, ...]:
    """The metrics that a target may be set for: smaller is better, and they have a learning curve."""
    validated = (name for name in trained(task) if name.startswith("val/"))
    return ("train/loss", *filter(smaller_is_better, validated))


def recorded(recipe: Recipe) -> dict[str, str]:
    """The metrics that a run of `recipe` records, with what each one is.

    Raises:
        DlgbenchError: for an unknown task or probe, or a target for a metric that has no learning curve.
    """
    for metric in recipe.target:
        if metric not in curves(recipe.task):
            raise unknown("metric for a target", metric, curves(recipe.task))
    names = dict(PARAMETERS)
    if recipe.steps:
        names |= trained(recipe.task) | SECONDS | (TARGET if recipe.target else {})
    for probe in recipe.probes:
        names |= PROBES[probe].metrics
    return names
