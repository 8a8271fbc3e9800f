"""Regression of numbers: the squared error (slide "Regression")."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional import mean_squared_error, r2_score

from dlgbench.errors import DlgbenchError
from dlgbench.tasks.base import Loss, Task


class Regression(Task):
    """z = network(x): (B, K); y: (B, K) of float.

    l(y, z) = mean (z - y)^2, or mean |z - y| with loss `l1`.
    Metrics: `mse`, and `r2` = 1 - mse / variance of y, averaged over the K outputs.
    """

    losses: ClassVar[dict[str, Loss]] = {"l2": F.mse_loss, "l1": F.l1_loss}

    def check_shapes(self, z: Tensor, y: Tensor) -> None:
        """Expects z and y of one shape (B, K), of float."""
        if not (z.shape == y.shape and z.dim() == 2 and y.is_floating_point()):
            raise DlgbenchError(
                "expected outputs and numbers of one shape (B, K), got outputs "
                f"{tuple(z.shape)} and {y.dtype} targets {tuple(y.shape)}"
            )

    def metrics(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """`mse` and `r2`."""
        z, y = z.double(), y.double()
        return {"mse": mean_squared_error(z, y).item(), "r2": r2_score(z, y).item()}
