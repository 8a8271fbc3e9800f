"""The training loop that all tasks share."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from typing import ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from dlgbench.data.module import Stack
from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.modes import evaluating
from dlgbench.recipe import Recipe
from dlgbench.tasks.optimization import constrain, optimizer, schedule

Loss = Callable[[Tensor, Tensor], Tensor]
AUXILIARY = 0.3  # what the loss of an auxiliary head weighs (Szegedy et al. 2015, section 5)
ROWS = 2000  # that a forward pass of an evaluation takes at once


class Task(pl.LightningModule, abc.ABC):
    """A network, a loss l(y, z) with z = network(x), averaged over the minibatch, and figures of merit on whole splits.

    A `training_step` takes a stack of k minibatches and makes k optimizer steps, since Lightning's hooks cost as much as a
    small network's step. Learning curves are kept in `history` as (metric, step, value). A loss that is NaN or infinite sets
    `diverged` and stops the trainer.

    A network with auxiliary heads returns (z, head 1, ...) in training; each head's loss is added with weight 0.3.

    Raises:
        DlgbenchError: for a loss that is not the task's, or an unknown schedule.
    """

    losses: ClassVar[Mapping[str, Loss]]  # by name; the first is the task's own

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network, self.recipe = network, recipe
        name = recipe.loss or next(iter(self.losses))
        if name not in self.losses:
            raise unknown("loss", name, self.losses, f"task {recipe.task}")
        self.loss = self.losses[name]
        self.factor = schedule(recipe)
        self.history: list[tuple[str, int, float]] = []
        self.done = 0
        self.diverged = False

    @abc.abstractmethod
    def misfit(self, z: Tensor, y: Tensor) -> str:
        """What is wrong with outputs z, or targets y, for this task; "" where they fit. A loss would broadcast some of it away."""

    @abc.abstractmethod
    def figures(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """The figures of merit of a whole split's outputs, under the names of `dlgbench.metrics.TASKS`."""

    def objective(self, z: Tensor | tuple[Tensor, ...], y: Tensor) -> Tensor:
        """The mean loss of the network's output; auxiliary heads' added."""
        if isinstance(z, tuple):
            main, *heads = z
            return (
                self.loss(main, y)
                + AUXILIARY * torch.stack([self.loss(head, y) for head in heads]).sum()
            )
        return self.loss(z, y)

    def forward(self, x: Tensor) -> Tensor:
        """The network's output z."""
        return self.network(x)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The recipe's optimizer."""
        return optimizer(self.recipe, self.network.parameters())

    def on_train_start(self) -> None:
        """The number of steps that the schedule runs over: the recipe's, else the trainer's."""
        self.steps = self.recipe.steps or self.trainer.estimated_stepping_batches
        if self.recipe.schedule != "constant" and not math.isfinite(self.steps):
            raise DlgbenchError(
                f"schedule {self.recipe.schedule} wants an end: give the Trainer max_epochs or max_steps"
            )

    def training_step(self, batch: Stack | tuple[Tensor, Tensor]) -> None:
        """One optimizer step per minibatch; the mean of their losses goes into the history."""
        rule = self.optimizers(use_pl_optimizer=False)
        assert isinstance(rule, torch.optim.Optimizer)
        losses = []
        for x, y in batch.minibatches() if isinstance(batch, Stack) else (batch,):
            if self.recipe.schedule != "constant":
                for group in rule.param_groups:
                    group["lr"] = self.recipe.lr * self.factor(self.done / self.steps)
            loss = self.objective(self.network(x), y)
            rule.zero_grad()
            loss.backward()
            rule.step()
            if self.recipe.max_norm is not None:
                constrain(self.network, self.recipe.max_norm)
            losses.append(loss.detach())
            self.done += 1
        mean = torch.stack(losses).mean().item()
        self.diverged |= not math.isfinite(mean)
        if self.diverged:
            self.trainer.should_stop = True
        else:
            self.history.append(("train/loss", self.done, mean))
            self.log("train/loss", mean)

    def evaluate(self, split: str, x: Tensor, y: Tensor) -> dict[str, float]:
        """Loss and figures of merit of a whole split, x (N, ...), y (N, ...), in evaluation mode: `{"val/loss": ..., "val/error": ...}`."""
        with evaluating(self.network), torch.no_grad():
            z = torch.cat([self.network(rows) for rows in x.split(ROWS)]).float()
        loss = self.objective(z, y).item()
        self.diverged |= not math.isfinite(loss)
        figures = {} if self.diverged else self.figures(z, y)
        return {f"{split}/{name}": value for name, value in {"loss": loss, **figures}.items()}

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """A point of the learning curves."""
        self._note(self.evaluate("val", *batch), len(batch[1]))

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """The evaluation on the test split."""
        self._note(self.evaluate("test", *batch), len(batch[1]))

    def _note(self, figures: dict[str, float], rows: int) -> None:
        if self.diverged:
            self.trainer.should_stop = True
        else:
            self.history += [(metric, self.done, value) for metric, value in figures.items()]
            self.log_dict(figures, batch_size=rows)
