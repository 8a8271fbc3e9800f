"""What a probe looks at, and what it returns. Neither torch nor numpy is imported here."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlgbench.errors import DlgbenchError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a probe records.

    Args:
        metrics: numbers that a claim may name: those that the probe's registration announces.
        curves: one value for each layer, or for each setting. They go into the run's history, with
            step 1, 2, ...
        arrays: pictures and grids of numbers in their natural shape, as `filters/weights` of shape
            (n, C, side, side). They are saved beside the run, of the first evaluation seed alone.
    """

    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    curves: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def merged(self, other: Measurement) -> Measurement:
        """All that this measurement and another one hold.

        Raises:
            DlgbenchError: where both have a metric, a curve or an array of the same name.
        """
        for field in dataclasses.fields(self):
            mine, others = getattr(self, field.name), getattr(other, field.name)
            if both := sorted(set(mine) & set(others)):
                raise DlgbenchError(
                    f"{field.name} {', '.join(both)}: expected names that one probe of the recipe "
                    "records, got names that two record"
                )
        return Measurement(
            self.metrics | other.metrics, self.curves | other.curves, self.arrays | other.arrays
        )


def _cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    from torch.nn.functional import cross_entropy

    return cross_entropy(z, y)


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a probe looks at.

    Args:
        network: a copy of the network, which the probe may change as it likes.
        input_shape: the shape of one input, without the batch axis.
        batch: (x, y), rows of the training split, or for `when="test"` of the test split; None for
            a recipe without data.
        loss: the task's loss, a function of the network's output and y.
        pictures: whether the arrays will be recorded, as they are for the first evaluation seed.
            They are dropped otherwise; a probe may look here to save the time.
        train_sibling: trains the same recipe on the same split from other initial weights and
            returns its network; None for a recipe that trains nothing.
    """

    network: nn.Module
    input_shape: tuple[int, ...]
    batch: tuple[Tensor, Tensor] | None = None
    loss: Callable[[Any, Tensor], Tensor] = _cross_entropy
    pictures: bool = False
    train_sibling: Callable[[], nn.Module] | None = None

    def data(self, probe: str) -> tuple[Tensor, Tensor]:
        """The batch, for the probe of that name.

        Raises:
            DlgbenchError: where there is none.
        """
        if self.batch is None:
            raise DlgbenchError(f"probe {probe}: expected a recipe with data, got one without")
        return self.batch


def to_array(tensor: Tensor) -> np.ndarray:
    """A copy of a tensor as a numpy array: float32 for floating point, else of the same type."""
    import numpy as np

    tensor = tensor.detach().cpu()
    return np.array((tensor.float() if tensor.is_floating_point() else tensor).numpy(), order="C")


def on_meta(network: nn.Module) -> nn.Module:
    """The network on the device "meta", where shapes are computed at no cost and values are not.

    It is the network itself if it is there already, else a copy.
    """
    if all(p.is_meta for p in network.parameters()):
        return network
    return copy.deepcopy(network).to("meta")
