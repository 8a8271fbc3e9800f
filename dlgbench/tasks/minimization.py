"""Minimization of a function of the weights alone: no data, no labels (slides "Gradient descent", "Momentum")."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dlgbench.tasks.base import Loss, Task


class Minimization(Task):
    """The network's output is the loss: l = f(w). Figure: `distance`, ||w - w*||_2 from the minimizer.

    Its history has the path: metric `path/i` is w_i at each evaluation.
    """

    losses: ClassVar[dict[str, Loss]] = {"value": lambda z, _: z.mean()}

    def misfit(self, z: Tensor, y: Tensor) -> str:  # noqa: ARG002
        """Wants a network that is a function of its weights (model `function`)."""
        return (
            ""
            if z.dim() == 1 and "minimizer" in dict(self.network.named_buffers())
            else f"model function is wanted; {type(self.network).__name__} came"
        )

    def figures(self, z: Tensor, y: Tensor) -> dict[str, float]:  # noqa: ARG002  (the answer lies in the weights)
        """`distance`."""
        w, minimizer = self.network.get_parameter("w"), self.network.get_buffer("minimizer")
        return {"distance": torch.linalg.vector_norm(w.detach() - minimizer).item()}

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """A point of the learning curves, and of the path."""
        super().validation_step(batch)
        if not self.diverged:
            w = self.network.get_parameter("w")
            self.history += [(f"path/{i}", self.done, value) for i, value in enumerate(w.tolist())]
