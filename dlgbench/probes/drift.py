"""Internal covariate shift: how the distribution of a layer's inputs moves during training.

Slide "Internal Covariate Shift".
"""

from __future__ import annotations

import copy
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.func import functional_call

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import is_hidden
from dlgbench.layers.modes import evaluating
from dlgbench.probes.observers import Observer
from dlgbench.streams import isolated, seed_global

ROWS = 256


class Drift(Observer):
    """How much mean and standard deviation of the last activation's input change, t by t.

    At each evaluation t, mean_j(t) and sd_j(t) of unit j are taken over 256 training rows, with the
    network in training mode, and copies of what a pass changes. Recorded are
    |mean_j(t) - mean_j(t - 1)| / sd_j(t - 1) and |ln sd_j(t) - ln sd_j(t - 1)|, averaged over the
    units. The metrics are the averages over the evaluations.

    Ioffe & Szegedy 2015, Figure 1 (b, c); Santurkar et al. 2018, section 2.1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last: tuple[Tensor, Tensor] | None = None

    def on_train_batch_end(
        self, _trainer: pl.Trainer, module: Any, _outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Adds a point to each history."""
        network, x = module.network, batch[0][:ROWS]
        inputs: list[Tensor] = []
        hook = self._last_activation(network).register_forward_pre_hook(
            # A clone, since the activation may work in place.
            lambda _module, args: inputs.append(args[0].flatten(1).clone())
        )
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
        noisy = [(layer, layer.draws) for layer in network.modules() if hasattr(layer, "draws")]
        with isolated(x.device), evaluating(network, keep=(nn.Module,)), torch.no_grad():
            seed_global(module.done, x.device)
            for layer, draws in noisy:
                layer.draws = copy.copy(draws)
            functional_call(network, buffers, (x,))
        hook.remove()
        for layer, draws in noisy:
            layer.draws = draws
        mean, sd = inputs[0].mean(0), inputs[0].std(0).clamp_min(1e-12)
        if self.last is not None:
            moved = float(((mean - self.last[0]).abs() / self.last[1]).mean())
            spread = float((sd.log() - self.last[1].log()).abs().mean())
            self.history += [("drift/mean", module.done, moved), ("drift/sd", module.done, spread)]
        self.last = mean, sd

    def check(self, network: nn.Module) -> None:
        """Checks that the network has a hidden layer.

        Raises:
            DlgbenchError: where it has none.
        """
        self._last_activation(network)

    @staticmethod
    def _last_activation(network: nn.Module) -> nn.Module:
        hidden = [layer for layer in network.modules() if is_hidden(layer)]
        if not hidden:
            raise DlgbenchError(
                "probe drift: expected a network with an activation layer, "
                f"got {type(network).__name__} without one"
            )
        return hidden[-1]

    def summary(self) -> dict[str, float]:
        """The averages over the evaluations; nan with fewer than two of them."""
        points = {
            name: [value for metric, _, value in self.history if metric == name]
            for name in ("drift/mean", "drift/sd")
        }
        return {
            name: sum(values) / len(values) if values else math.nan
            for name, values in points.items()
        }
