"""How far a network's blocks are from the identity (slide "Residual Network")."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject


@torch.no_grad()
def identity(subject: Subject) -> Measurement:
    """The largest max |block(x) - x| / max |x| of a block, on the probe batch.

    The blocks are the modules that have a `branch`, as those of residual and of plain nets have,
    and whose output has their input's shape. The network is in evaluation mode.

    Raises:
        DlgbenchError: for a network without such blocks.
    """
    x, _ = subject.data("identity")
    changes: list[float] = []

    def look(_module: nn.Module, inputs: Any, output: Tensor) -> None:
        before = inputs[0]
        if output.shape == before.shape:
            changes.append(float((output - before).abs().max() / before.abs().max()))

    network = subject.network.eval()
    for module in network.modules():
        if isinstance(getattr(module, "branch", None), nn.Module):
            module.register_forward_hook(look)
    network(x)
    if not changes:
        raise DlgbenchError(
            "probe identity: expected a network with blocks that have a branch and keep the "
            f"shape, got {type(subject.network).__name__} without"
        )
    return Measurement({"identity/change": max(changes)})
