"""How a `Task` is trained: by stacks of minibatches, so that Lightning costs next to nothing.

Lightning's hooks cost as much as a small network's optimizer step. So one of its batches is a *stack*: all
minibatches between two evaluations, as row numbers of a training split that lies on the device
(`dlgbench.data.module`). `training_step` unrolls it and makes an optimizer step for each minibatch. This
is the engine's own affair: a task's `training_step` sees a minibatch (x, y), and callbacks see a stack.
"""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from dlgbench.data.module import MinibatchStack
from dlgbench.errors import DlgbenchError
from dlgbench.tasks.base import Batch, Task


class Engine(pl.LightningModule):
    """Drives a task, keeps the learning curves, and stops where the loss is not finite.

    Attributes:
        history: the learning curves as (metric, step, value).
        done: optimizer steps so far.
        diverged: whether a loss was NaN or infinite.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.task = task
        self.history: list[tuple[str, int, float]] = []
        self.done = 0
        self.diverged = False
        self._logged: dict[str, float] = {}
        task.log = self._log  # type: ignore[method-assign]  # what a task's own training_step logs
        task.log_dict = self._log_dict  # type: ignore[method-assign]

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.task.network

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The task's optimizer.

        Raises:
            DlgbenchError: where a task's own `configure_optimizers` returns anything but an optimizer.
        """
        if type(self.task).configure_optimizers is Task.configure_optimizers:
            return self.task.optimizer()
        rule = self.task.configure_optimizers()
        if not isinstance(rule, torch.optim.Optimizer):
            raise DlgbenchError(
                f"task {self.task.recipe.task}: expected configure_optimizers to return an optimizer "
                f"(the recipe's schedule sets its rate), got {type(rule).__name__}"
            )
        return rule

    def training_step(self, batch: MinibatchStack, batch_idx: int = 0) -> None:  # noqa: ARG002
        """An optimizer step for each minibatch; the mean of their losses goes into the history."""
        rule = self.optimizers(use_pl_optimizer=False)
        assert isinstance(rule, torch.optim.Optimizer)
        task, recipe = self.task, self.task.recipe
        losses = []
        for minibatch in batch.minibatches():
            if recipe.schedule != "constant":
                for group in rule.param_groups:
                    group["lr"] = recipe.lr * task.factor(self.done / recipe.steps)
            loss = _loss(task.training_step(minibatch, self.done))
            rule.zero_grad()
            loss.backward()
            rule.step()
            task.after_step()
            losses.append(loss.detach())
            self.done += 1
        mean = torch.stack(losses).mean().item()
        self._record({"train/loss": mean, **self._logged}, finite=math.isfinite(mean))
        self._logged = {}

    def validation_step(self, batch: Batch, batch_idx: int = 0) -> None:  # noqa: ARG002
        """A point of the learning curves."""
        self.evaluate("val", batch)
        if not self.diverged:
            self._record(self.task.trace())

    def test_step(self, batch: Batch, batch_idx: int = 0) -> None:  # noqa: ARG002
        """The evaluation on the test split."""
        self.evaluate("test", batch)

    def evaluate(self, split: str, batch: Batch) -> dict[str, float]:
        """Loss and metrics of a whole split; they go into the history."""
        metrics = self.task.evaluate(split, *batch)
        self._record(metrics, finite=math.isfinite(metrics[f"{split}/loss"]))
        return metrics

    def _record(self, metrics: dict[str, float], *, finite: bool = True) -> None:
        self.diverged |= not finite
        if self.diverged:
            self.trainer.should_stop = True
        else:
            self.history += [(metric, self.done, value) for metric, value in metrics.items()]

    def _log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        """Stands in for Lightning's `log` in a task: the last value before each evaluation is kept."""
        self._logged[name] = float(value)

    def _log_dict(self, metrics: Any, *_: Any, **__: Any) -> None:
        for name, value in metrics.items():
            self._log(name, value)


def _loss(returned: Any) -> Tensor:
    """What a `training_step` may return in Lightning: the loss, or a dict with it."""
    loss = returned["loss"] if isinstance(returned, dict) else returned
    if not isinstance(loss, Tensor):
        raise DlgbenchError(f"training_step: expected the loss of the minibatch, got {returned!r}")
    return loss
