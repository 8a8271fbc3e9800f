"""Minimization of a function of the weights alone: no data, no labels.

Slides "Gradient descent", "Momentum".
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.tasks.base import Loss, Task


class Minimization(Task):
    """The network's output is the loss: l = f(w).

    Metric: `distance`, the distance ||w - w*||_2 from the minimizer. The history has the path:
    `path/i` is w_i at each evaluation.
    """

    losses: ClassVar[dict[str, Loss]] = {"value": lambda z, _: z.mean()}

    # this task needs no targets y
    def check_shapes(self, z: Tensor, y: Tensor) -> None:  # noqa: ARG002
        """Expects a network that is a function of its weights (model `function`)."""
        if z.dim() != 1 or "minimizer" not in dict(self.network.named_buffers()):
            raise DlgbenchError(f"expected model function, got {type(self.network).__name__}")

    # the metric depends on the weights alone
    def metrics(self, z: Tensor, y: Tensor) -> dict[str, float]:  # noqa: ARG002
        """`distance`."""
        w, minimizer = self.network.get_parameter("w"), self.network.get_buffer("minimizer")
        return {"distance": torch.linalg.vector_norm(w.detach() - minimizer).item()}

    def trace(self) -> dict[str, float]:
        """The path: w."""
        return {
            f"path/{i}": value for i, value in enumerate(self.network.get_parameter("w").tolist())
        }
