"""Multi-class classification: softmax cross-entropy."""

from __future__ import annotations

import math

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.data.module import Stack
from dlgbench.recipe import Recipe
from dlgbench.tasks.optimization import constrain, optimizer, schedule


class Classification(pl.LightningModule):
    """l(y, z) = -log softmax(z)_y, averaged over the minibatch. z = network(x): (B, num_classes); y: (B,) of int64.

    A `training_step` takes a stack of k minibatches and makes k optimizer steps, since Lightning's hooks cost as much as a
    small network's step. Learning curves are kept in `history` as (metric, step, value). A loss that is NaN or infinite sets
    `diverged` and stops the trainer.
    """

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network, self.recipe = network, recipe
        self.factor = schedule(recipe)
        self.history: list[tuple[str, int, float]] = []
        self.done = 0
        self.diverged = False

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        return self.network(x)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The recipe's optimizer."""
        return optimizer(self.recipe, self.network.parameters())

    def training_step(self, batch: Stack | tuple[Tensor, Tensor]) -> None:
        """One optimizer step per minibatch; the mean of their losses goes into the history."""
        rule = self.optimizers(use_pl_optimizer=False)
        assert isinstance(rule, torch.optim.Optimizer)
        minibatches = ((batch.x[rows], batch.y[rows]) for rows in batch.rows) if isinstance(batch, Stack) else (batch,)
        losses = []
        for x, y in minibatches:
            if self.recipe.schedule != "constant":
                for group in rule.param_groups:
                    group["lr"] = self.recipe.lr * self.factor(self.done / max(self.recipe.steps, 1))
            loss = F.cross_entropy(self.network(x), y)
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
        """Loss and error of a whole split, x (N, ...), y (N,), in the module's present mode."""
        logits = self.network(x)
        loss = F.cross_entropy(logits, y).item()
        self.diverged |= not math.isfinite(loss)
        return {f"{split}/loss": loss, f"{split}/error": (logits.argmax(1) != y).double().mean().item()}

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """A point of the learning curves."""
        self._note(self.evaluate("val", *batch))

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """The evaluation on the test split."""
        self._note(self.evaluate("test", *batch))

    def _note(self, figures: dict[str, float]) -> None:
        if self.diverged:
            self.trainer.should_stop = True
        else:
            self.history += [(metric, self.done, value) for metric, value in figures.items()]
            self.log_dict(figures, batch_size=1)
