"""The linear classifier, and the perceptron with its own learning rule.

Slide "Perceptrons (60's)".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.registry import register_model


@register_model(
    "linear",
    family="Linear",
    year=1936,
    paper="Fisher 1936, Annals of Eugenics 7",
    proof="tests/models/test_linear.py::test_linear_is_its_equation",
)
def linear(input_shape: Sequence[int] = (1, 28, 28), num_classes: int = 10) -> nn.Sequential:
    """The scores z = W x + b, where x is the input as one vector.

    With cross-entropy this is multinomial logistic regression.

    Shapes: (B, *input_shape) -> (B, num_classes).
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes))


class Perceptron(nn.Module):
    """z = W x + b, initially W = 0 and b = 0, with Rosenblatt's learning rule.

    Rosenblatt 1958; for several classes: Duda, Hart & Stork 2001, section 5.12.

    Shapes: (B, ...) with `inputs` numbers in each row -> (B, classes).

    Raises:
        DlgbenchError: for fewer than two classes.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise DlgbenchError(f"model perceptron: expected at least 2 classes, got {classes}")
        self.flatten = nn.Flatten()
        self.scores = nn.Linear(inputs, classes)
        nn.init.zeros_(self.scores.weight)
        nn.init.zeros_(self.scores.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The scores z, (B, classes)."""
        return self.scores(self.flatten(x))

    @torch.no_grad()
    def learn(self, x: Tensor, y: Tensor) -> int:
        """One pass over the rows in their order; returns the number of mistakes.

        A row is a mistake where the best other class j scores at least as high as its own class y.
        Then w_y += x, b_y += 1 and w_j -= x, b_j -= 1. This is SGD with learning rate 1 and batch
        size 1 on max(0, max_{j != y} z_j - z_y), with the subgradient 1 at a tie, as at the start.
        With two classes w_1 = -w_0 is the weight of the perceptron for labels -1 and 1.
        """
        weight, bias = self.scores.weight, self.scores.bias
        mistakes = 0
        for row, own in zip(self.flatten(x), y.tolist(), strict=True):
            z = self.scores(row)
            others = z.clone()
            others[own] = -math.inf
            rival = int(others.argmax())
            if z[rival] >= z[own]:
                weight[own] += row
                weight[rival] -= row
                bias[own] += 1
                bias[rival] -= 1
                mistakes += 1
        return mistakes


@register_model(
    "perceptron",
    family="Linear",
    year=1958,
    paper="Rosenblatt 1958, Psychological Review 65",
    init="default",
    proof="tests/models/test_linear.py::test_two_classes_agree_with_scikit_learn",
)
def perceptron(input_shape: Sequence[int] = (1, 28, 28), num_classes: int = 10) -> Perceptron:
    """A `Perceptron`, whose initial weights are zero for every seed.

    Shapes: (B, *input_shape) -> (B, num_classes).

    Raises:
        DlgbenchError: for fewer than two classes.
    """
    return Perceptron(math.prod(input_shape), num_classes)
