"""The base class of all tasks: a network, a loss, and metrics on whole splits, for Lightning."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.modes import evaluating
from dlgbench.recipe import Recipe
from dlgbench.tasks import optimization

Loss = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]
AUXILIARY = 0.3  # weight of an auxiliary head's loss (Szegedy et al. 2015, section 5)
ROWS = 2000  # of a split that an evaluation passes through the network at once


class Task(pl.LightningModule, abc.ABC):
    """A network with a loss, averaged over the minibatch, and with metrics on whole splits.

    The loss is l(y, z) with z = network(x).

    A task is an ordinary LightningModule: `training_step` takes a minibatch (x, y) and returns its
    loss, and any Trainer runs it. The suite trains it with `dlgbench.engine`, which calls
    `training_step` (where `global_step` counts the optimizer steps), `evaluate`, `trace`, and
    `optimizer` (or a `configure_optimizers` of your own that returns an optimizer), and none of
    Lightning's hooks: a task with one of these is refused there.

    A task of your own defines `losses` and `metrics`, and is registered with `register_task`. A
    network with auxiliary heads returns (z, head 1, ...) in training; the loss of each head is
    added with weight 0.3.

    Raises:
        DlgbenchError: for a loss that is not the task's, or an unknown schedule.
    """

    steps_done: int | None = None  # optimizer steps, counted by the suite's engine
    losses: ClassVar[Mapping[str, Loss]]  # by name; the first is the task's own

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network, self.recipe = network, recipe
        name = recipe.loss or next(iter(self.losses))
        if name not in self.losses:
            raise unknown("loss", name, self.losses, f"task {recipe.task}")
        self.loss = self.losses[name]
        self.factor = optimization.schedule(recipe)

    @abc.abstractmethod
    def metrics(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """The metrics of a whole split's outputs z and targets y, by the registered names."""

    def check_shapes(self, z: Tensor, y: Tensor) -> None:
        """Refuses outputs z or targets y that do not fit the task.

        Without this check a loss would broadcast some of them without complaint.

        Raises:
            DlgbenchError: for shapes or types that do not fit.
        """

    def trace(self) -> dict[str, float]:
        """Further values to record at each point of the learning curves."""
        return {}

    def objective(self, z: Tensor | tuple[Tensor, ...], y: Tensor) -> Tensor:
        """The mean loss of the network's output, plus the weighted losses of auxiliary heads."""
        if isinstance(z, tuple):
            main, *heads = z
            auxiliary = torch.stack([self.loss(head, y) for head in heads]).sum()
            return self.loss(main, y) + AUXILIARY * auxiliary
        return self.loss(z, y)

    @property
    def global_step(self) -> int:
        """The optimizer steps so far."""
        return super().global_step if self.steps_done is None else self.steps_done

    def forward(self, x: Tensor) -> Tensor:
        """The network's output z."""
        return self.network(x)

    # batch_idx of this and the other steps is an argument that Lightning passes
    def training_step(self, batch: Batch, batch_idx: int = 0) -> Tensor:  # noqa: ARG002
        """The loss of a minibatch."""
        x, y = batch
        return self.objective(self.network(x), y)

    def evaluate(self, split: str, x: Tensor, y: Tensor) -> dict[str, float]:
        """Loss and metrics of a whole split, x (N, ...), y (N, ...), in evaluation mode.

        `{"val/loss": ..., "val/error": ...}`; the loss alone where it is not finite.
        """
        with evaluating(self.network), torch.no_grad():
            z = torch.cat([self.network(rows) for rows in x.split(ROWS)]).float()
        loss = self.objective(z, y).item()
        metrics = self.metrics(z, y) if math.isfinite(loss) else {}
        return {f"{split}/{name}": value for name, value in {"loss": loss, **metrics}.items()}

    def optimizer(self) -> torch.optim.Optimizer:
        """The recipe's optimizer."""
        return optimization.optimizer(self.recipe, self.network.parameters())

    def after_step(self) -> None:
        """Applies the max-norm constraint after an optimizer step."""
        if self.recipe.max_norm is not None:
            optimization.constrain(self.network, self.recipe.max_norm)

    # under a user's own Trainer -------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer, with its schedule over the trainer's steps."""
        rule = self.optimizer()
        if self.recipe.schedule == "constant":
            return rule
        steps = self.trainer.estimated_stepping_batches
        if not math.isfinite(steps):
            raise DlgbenchError(
                f"schedule {self.recipe.schedule}: expected a Trainer with max_epochs or "
                "max_steps, got one without an end"
            )
        scheduler = torch.optim.lr_scheduler.LambdaLR(rule, lambda step: self.factor(step / steps))
        return {"optimizer": rule, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_batch_end(self, outputs: Any, *_: Any) -> None:
        """Constrains the weights and logs the loss."""
        self.after_step()
        self.log("train/loss", outputs["loss"])

    def validation_step(self, batch: Batch, batch_idx: int = 0) -> None:  # noqa: ARG002
        """Logs loss and metrics of a batch."""
        self.log_dict(self.evaluate("val", *batch), batch_size=len(batch[1]))

    def test_step(self, batch: Batch, batch_idx: int = 0) -> None:  # noqa: ARG002
        """Logs loss and metrics of a batch."""
        self.log_dict(self.evaluate("test", *batch), batch_size=len(batch[1]))
