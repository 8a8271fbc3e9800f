"""The engine: trains a `Task` on stacks of minibatches, so that Lightning costs next to nothing.

Lightning's hooks cost as much as an optimizer step of a small network. Therefore what Lightning
takes for one batch is a *stack*: all minibatches between two evaluations, as row numbers of a
training split that lies on the device (`dlgbench.data.module`). The engine's `training_step` makes
an optimizer step for each minibatch of the stack. Only the engine and callbacks see stacks; the
`training_step` of a task sees a minibatch (x, y).
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

UNCALLED = (  # beside the hooks on_...
    "validation_step",
    "test_step",
    "optimizer_step",
    "optimizer_zero_grad",
    "configure_gradient_clipping",
    "lr_scheduler_step",
    "manual_backward",
    "backward",
)


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
        _check_hooks(task)
        # what a task's own training_step logs goes into the history
        task.log = self._log  # type: ignore[method-assign]  # replaces Lightning's on purpose
        task.log_dict = self._log_dict  # type: ignore[method-assign]  # the same

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.task.network

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The task's optimizer.

        Raises:
            DlgbenchError: for a task whose own `configure_optimizers` returns anything but an
                optimizer.
        """
        if type(self.task).configure_optimizers is Task.configure_optimizers:
            return self.task.optimizer()
        rule = self.task.configure_optimizers()
        if not isinstance(rule, torch.optim.Optimizer):
            wanted = "an optimizer (the recipe's schedule sets its rate)"
            raise DlgbenchError(
                f"task {self.task.recipe.task}: expected configure_optimizers to return {wanted}, "
                f"got {type(rule).__name__}"
            )
        return rule

    # batch_idx of the three steps below is an argument that Lightning passes
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
            loss = loss_of(task.training_step(minibatch, self.done))
            rule.zero_grad()
            loss.backward()
            rule.step()
            task.after_step()
            losses.append(loss.detach())
            self.advance(1)
        self.record_loss(torch.stack(losses).mean().item())
        self.trainer.should_stop |= self.diverged

    def validation_step(self, batch: Batch, batch_idx: int = 0) -> None:  # noqa: ARG002
        """A point of the learning curves."""
        self.validate(batch)
        self.trainer.should_stop |= self.diverged

    def test_step(self, batch: Batch, batch_idx: int = 0) -> None:  # noqa: ARG002
        """The evaluation on the test split."""
        self.evaluate("test", batch)

    def advance(self, steps: int) -> None:
        """Counts optimizer steps."""
        self.done += steps
        self.task.__dict__["steps_done"] = self.done  # without nn.Module's detours, in each step

    def record_loss(self, mean: float) -> None:
        """The mean loss of the minibatches since the last evaluation goes into the history."""
        self._record({"train/loss": mean, **self._logged}, finite=math.isfinite(mean))
        self._logged = {}

    def validate(self, batch: Batch) -> None:
        """Loss and metrics of the validation split, and the task's trace, go into the history."""
        self.evaluate("val", batch)
        if not self.diverged:
            self._record(self.task.trace())

    def evaluate(self, split: str, batch: Batch) -> dict[str, float]:
        """Loss and metrics of a whole split, which also go into the history."""
        metrics = self.task.evaluate(split, *batch)
        self._record(metrics, finite=math.isfinite(metrics[f"{split}/loss"]))
        return metrics

    def _record(self, metrics: dict[str, float], *, finite: bool = True) -> None:
        self.diverged |= not finite
        if not self.diverged:
            self.history += [(metric, self.done, value) for metric, value in metrics.items()]

    def _log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        """Replaces Lightning's `log` in a task: keeps the last value before each evaluation."""
        self._logged[name] = float(value.detach() if isinstance(value, Tensor) else value)

    def _log_dict(self, dictionary: Any, *_: Any, **__: Any) -> None:
        for name, value in dictionary.items():
            self._log(name, value)


def _check_hooks(task: Task) -> None:
    """Refuses a task with a hook of Lightning's that the engine does not call.

    Raises:
        DlgbenchError: naming the hooks.
    """
    names = [name for name in dir(pl.LightningModule) if name.startswith("on_") or name in UNCALLED]
    own = [name for name in names if getattr(type(task), name) is not getattr(Task, name)]
    if own:
        wanted = "training_step, metrics, evaluate, optimizer, after_step and trace alone"
        raise DlgbenchError(
            f"task {task.recipe.task}: expected {wanted}, which the suite's engine calls, got "
            f"{', '.join(own)}"
        )


def loss_of(returned: Any) -> Tensor:
    """The loss in what a `training_step` returned: Lightning allows the loss or a dict with it.

    Raises:
        DlgbenchError: for anything else.
    """
    loss = returned.get("loss") if isinstance(returned, dict) else returned
    if not isinstance(loss, Tensor):
        wanted = "the loss of the minibatch, or a dict with it under loss"
        raise DlgbenchError(f"training_step: expected {wanted}, got {returned!r}")
    return loss
