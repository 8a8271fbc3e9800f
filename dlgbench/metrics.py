"""The metrics that a training records, by the names that claims use.

This needs no torch, so that a misspelt metric is refused at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlgbench.errors import unknown
from dlgbench.registry import PROBES, TASKS

if TYPE_CHECKING:
    from dlgbench.recipe import Recipe

SPLITS = {  # split: its name in a text, and when it is measured
    "train": ("training", "after training"),
    "val": ("validation", "after the last step"),
    "test": ("test", "read once after the last step"),
}
PARAMETERS = {"parameters": "number of trainable parameters"}
SECONDS = {"seconds": "wall time of the optimizer steps and the evaluations between them"}
REACHED = "first evaluation at which the target was met, in steps; censored at the budget"
TARGET = {"steps_to_target": REACHED}
# last words of metrics: a diverged run has the worst rank under these; a tuning chooses by them
SMALLER_IS_BETTER = ("error", "loss", "mse", "distance", "steps_to_target")
LARGER_IS_BETTER = ("r2", "psnr", "miou", "accuracy", "auc", "f1")


def larger_is_better(metric: str) -> bool:
    """Whether a metric's last word is in `LARGER_IS_BETTER`, as in `val/top1_accuracy`."""
    return metric.replace("/", "_").rpartition("_")[2] in LARGER_IS_BETTER


def smaller_is_better(metric: str) -> bool:
    """Whether a metric's name after the last "/" is in `SMALLER_IS_BETTER`, as in `val/error`."""
    return metric.rpartition("/")[2] in SMALLER_IS_BETTER


def is_exact(metric: str) -> bool:
    """Whether a metric is the same for every seed, since nothing random enters it."""
    return metric in PARAMETERS or any(metric in probe.exact for probe in PROBES.values())


def trained(task: str, data: str | None = None) -> dict[str, str]:
    """The metrics of a training by the name `split/metric`, with their meanings.

    Without `data` those are left out that need the range of the targets.

    Raises:
        DlgbenchError: for an unknown task.
    """
    metrics = {"loss": "mean loss over the {split} split"} | TASKS[task].metrics_on(data)
    return {
        f"{split}/{name}": f"{text.format(split=word)}, {moment}"
        for split, (word, moment) in SPLITS.items()
        for name, text in metrics.items()
    }


def curves(task: str) -> tuple[str, ...]:
    """The metrics that may have a target: smaller is better, and they have a learning curve."""
    validated = (name for name in trained(task) if name.startswith("val/"))
    return ("train/loss", *filter(smaller_is_better, validated))


def recorded(recipe: Recipe) -> dict[str, str]:
    """The metrics that a run of `recipe` records, with their meanings.

    Raises:
        DlgbenchError: for an unknown task or probe, or a target for a metric that has no learning
            curve.
    """
    for metric in recipe.target:
        if metric not in curves(recipe.task):
            raise unknown("metric for a target", metric, curves(recipe.task))
    names = dict(PARAMETERS)
    if recipe.steps:
        names |= trained(recipe.task, recipe.data) | SECONDS | (TARGET if recipe.target else {})
    for probe in recipe.probes:
        names |= PROBES[probe].metrics
    return names
