"""Probes that observe the training: learning rate, sizes of the updates and of the weights."""

from __future__ import annotations

import abc
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn


class Observer(pl.Callback, abc.ABC):
    """A probe with `when="training"`: a Lightning callback that observes and changes nothing.

    It appends (metric, step, value) to `history`. Lightning calls its hooks before and after the
    optimizer steps between two evaluations: `on_train_batch_start(trainer, module, batch, ...)`
    and `on_train_batch_end(trainer, module, outputs, batch, ...)`. There `module` has `network`;
    `done`, the number of optimizer steps so far; and `optimizers(use_pl_optimizer=False)`, the
    optimizer. `batch[0]` is the input of the whole training split. A new observer is made for each
    training, without arguments.
    """

    def __init__(self) -> None:
        self.history: list[tuple[str, int, float]] = []

    def check(self, network: nn.Module) -> None:
        """Checks before the training that the network can be observed.

        Raises:
            DlgbenchError: if it can't; of a base class that takes every network, never.
        """

    @abc.abstractmethod
    def summary(self) -> dict[str, float]:
        """The metrics, after the training: those that the probe's registration announces."""


class Updates(Observer):
    """At each evaluation: lr, ||w_t||_2, and ||w_t - w_(t-k)||_2 / k.

    w is the vector of all parameters, and k the number of optimizer steps since the evaluation
    before.
    """

    def on_train_batch_start(self, _trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Keeps the weights before the steps."""
        self.before, self.done = self._weights(module), module.done
        if not self.done:
            self.start, self.length = self.before, 0.0

    def on_train_batch_end(self, _trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Adds a point to each history."""
        weights = self._weights(module)
        size = float(weights.norm())
        moved = float((weights - self.before).norm())
        self.length, self.distance = self.length + moved, float((weights - self.start).norm())
        change = moved / (module.done - self.done)
        lr = module.optimizers(use_pl_optimizer=False).param_groups[0]["lr"]
        values = {
            "updates/lr": lr,
            "updates/norm": change,
            "updates/relative": change / size if size else 0.0,
            "updates/weights": size,
        }
        self.history += [(name, module.done, value) for name, value in values.items()]

    def summary(self) -> dict[str, float]:
        """The last point of each history, and the detour.

        The detour is the sum of the changes over the distance between the first and the last
        weights.
        """
        detour = self.length / self.distance if self.distance else math.nan
        return {name: value for name, _, value in self.history} | {"updates/detour": detour}

    @staticmethod
    def _weights(module: Any) -> Tensor:
        return torch.cat([p.detach().flatten() for p in module.network.parameters()])
