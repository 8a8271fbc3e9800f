"""What a probe looks at, and what it gives back."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError

Figures = tuple[
    dict[str, float], dict[str, list[float]]
]  # name -> figure, name -> one figure per layer


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a probe looks at.

    Args:
        network: a copy, which the probe may do with as it likes.
        input_shape: of one input, without the batch axis.
        batch: (x, y), rows of the probe's split; None for a recipe without data.
        loss: the task's, of the network's output and y.
        pictures: whether curves that only serve to be drawn are wanted; of the first seed's evaluation, not of all.
        another: trains the same recipe from another start, on the same split, and gives its network; None where nothing is trained.
    """

    network: nn.Module
    input_shape: tuple[int, ...]
    batch: tuple[Tensor, Tensor] | None = None
    loss: Callable[[Any, Tensor], Tensor] = F.cross_entropy
    pictures: bool = False
    another: Callable[[], nn.Module] | None = None

    def data(self, probe: str) -> tuple[Tensor, Tensor]:
        """The batch.

        Raises:
            DlgbenchError: where there is none.
        """
        if self.batch is None:
            raise DlgbenchError(f"probe {probe} wants data; a recipe without came")
        return self.batch


def on_meta(network: nn.Module) -> nn.Module:
    """The network itself if it has no memory, else a copy without: shapes alone, which cost nothing."""
    return (
        network
        if all(p.is_meta for p in network.parameters())
        else copy.deepcopy(network).to("meta")
    )
