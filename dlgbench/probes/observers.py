"""What is written down while a network trains: learning rate, sizes of the updates and of the weights."""

from __future__ import annotations

import abc
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn


class Observer(pl.Callback, abc.ABC):
    """A Lightning callback that looks on: it keeps a `history` of (metric, step, value) and changes nothing."""

    def __init__(self) -> None:
        self.history: list[tuple[str, int, float]] = []

    def suits(self, network: nn.Module) -> None:
        """Raises a DlgbenchError for a network that can't be looked at."""

    @abc.abstractmethod
    def figures(self) -> dict[str, float]:
        """The summary, under the names that `dlgbench.metrics.PROBES` announces."""


class Updates(Observer):
    """lr, ||w||_2, and ||w_t - w_(t-k)||_2 / k over the k optimizer steps between two evaluations, at each evaluation; w is all weights."""

    def on_train_batch_start(self, _trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Keeps the weights that the steps to come start from."""
        self.before, self.done = self._weights(module), module.done
        if not self.done:
            self.start, self.length = self.before, 0.0

    def on_train_batch_end(self, _trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """A point of each history."""
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

    def figures(self) -> dict[str, float]:
        """The last point of each history, and the detour: the sum of the changes over the distance between start and end."""
        detour = self.length / self.distance if self.distance else math.nan
        return {name: value for name, _, value in self.history} | {"updates/detour": detour}

    @staticmethod
    def _weights(module: Any) -> Tensor:
        return torch.cat([p.detach().flatten() for p in module.network.parameters()])
