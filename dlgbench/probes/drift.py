"""Internal covariate shift: how far the distribution of a layer's inputs moves while the network trains (slide "Internal Covariate Shift")."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import HIDDEN
from dlgbench.probes.observers import Observer
from dlgbench.streams import isolated

ROWS = 256


class Drift(Observer):
    """At each evaluation t, over 256 training rows and a copy of the network in training mode, for the input of the last activation.

    mean_j, sd_j of its unit j; |mean_j(t) - mean_j(t - 1)| / sd_j(t - 1) and |ln sd_j(t) - ln sd_j(t - 1)|, averaged over the units; the figures are
    the averages over the evaluations. Ioffe & Szegedy 2015, Figure 1 (b, c); Santurkar et al. 2018, section 2.1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last: tuple[Tensor, Tensor] | None = None

    def on_train_batch_end(
        self, _trainer: pl.Trainer, module: Any, _outputs: Any, batch: Any, *_: Any
    ) -> None:
        """A point of each history."""
        network, x = copy.deepcopy(module.network).train(), batch[0][:ROWS]
        seen: list[Tensor] = []
        self._last(network).register_forward_pre_hook(
            lambda _module, inputs: seen.append(inputs[0].flatten(1).clone())
        )  # g may be in place
        with isolated(x.device), torch.no_grad():
            torch.manual_seed(module.done)
            network(x)
        mean, sd = seen[0].mean(0), seen[0].std(0).clamp_min(1e-12)
        if self.last is not None:
            moved = float(((mean - self.last[0]).abs() / self.last[1]).mean())
            spread = float((sd.log() - self.last[1].log()).abs().mean())
            self.history += [("drift/mean", module.done, moved), ("drift/sd", module.done, spread)]
        self.last = mean, sd

    def suits(self, network: nn.Module) -> None:
        """Wants a hidden layer."""
        self._last(network)

    @staticmethod
    def _last(network: nn.Module) -> nn.Module:
        hidden = [layer for layer in network.modules() if isinstance(layer, HIDDEN)]
        if not hidden:
            raise DlgbenchError(
                f"probe drift wants a network with a hidden layer; {type(network).__name__} without came"
            )
        return hidden[-1]

    def figures(self) -> dict[str, float]:
        """The averages over the evaluations; not known with fewer than two of them."""
        points = {
            name: [value for metric, _, value in self.history if metric == name]
            for name in ("drift/mean", "drift/sd")
        }
        return {
            name: sum(values) / len(values) if values else math.nan
            for name, values in points.items()
        }
