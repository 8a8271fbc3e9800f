"""Multi-class classification with softmax cross-entropy, squared error, or perceptron criterion."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_stat_scores

from dlgbench.errors import DlgbenchError
from dlgbench.tasks.base import Loss, Task


def squared(z: Tensor, y: Tensor) -> Tensor:
    """||z - onehot(y)||^2, averaged over the minibatch: classification as a regression.

    Hui & Belkin 2020.
    """
    return (z - F.one_hot(y, z.shape[1])).square().sum(1).mean()


def perceptron(z: Tensor, y: Tensor) -> Tensor:
    """max_j z_j - z_y, averaged over the minibatch: 0 where y has the largest score.

    Its gradient is Rosenblatt's rule: w_y += x and w_j -= x at a mistake (lr 1, minibatch 1).
    """
    return (z.amax(1) - z.gather(1, y[:, None]).squeeze(1)).mean()


class Classification(Task):
    """z = network(x): (B, num_classes) scores; y: (B,) of int64.

    The default loss is l(y, z) = -log softmax(z)_y.
    Metric: `error`, the share of examples whose largest score is not y's.
    """

    losses: ClassVar[dict[str, Loss]] = {
        "cross_entropy": F.cross_entropy,
        "squared": squared,
        "perceptron": perceptron,
    }

    def check_shapes(self, z: Tensor, y: Tensor) -> None:
        """Expects z (B, num_classes) and y (B,) of classes below num_classes."""
        if z.dim() != 2 or y.dim() != 1 or y.is_floating_point():
            raise DlgbenchError(
                "expected scores (B, num_classes) and one class for each input, got scores "
                f"{tuple(z.shape)} and {y.dtype} targets {tuple(y.shape)}"
            )
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= z.shape[1]:
            raise DlgbenchError(
                f"expected classes below {z.shape[1]}, got classes from {low} to {high}"
            )

    def metrics(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """`error`."""
        scores = multiclass_stat_scores(z, y, z.shape[1], average="micro", validate_args=False)
        right, total = int(scores[0]), int(scores[4])
        return {"error": (total - right) / total}
