"""The losses of tasks, for lanes: z (R, B, K) and y (R, B) or (R, B, K) -> the loss of each lane.

Each is the loss of the same name in `dlgbench.tasks`, averaged over a lane's own minibatch.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """Mean of -log softmax(z)_y."""
    each = F.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="none")
    return each.view(y.shape).mean(1)


def squared(z: Tensor, y: Tensor) -> Tensor:
    """Mean of ||z - onehot(y)||^2."""
    return (z - F.one_hot(y, z.shape[2])).square().sum(2).mean(1)


def perceptron(z: Tensor, y: Tensor) -> Tensor:
    """Mean of max_j z_j - z_y."""
    return (z.amax(2) - z.gather(2, y[..., None]).squeeze(2)).mean(1)


def l2(z: Tensor, y: Tensor) -> Tensor:
    """Mean of (z - y)^2."""
    return (z - y).square().flatten(1).mean(1)


def l1(z: Tensor, y: Tensor) -> Tensor:
    """Mean of |z - y|."""
    return (z - y).abs().flatten(1).mean(1)


LOSSES: dict[str, dict[str, Callable[[Tensor, Tensor], Tensor]]] = {  # by task
    "classification": {
        "cross_entropy": cross_entropy,
        "squared": squared,
        "perceptron": perceptron,
    },
    "regression": {"l2": l2, "l1": l1},
}
