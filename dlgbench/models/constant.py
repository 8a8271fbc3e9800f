"""One output for every input: the best answer of a network that does not look."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgbench.models.common import image_shape
from dlgbench.registry import register_model


class Constant(nn.Module):
    """z_(c,i,j) = b_c, initially 0, whatever the image. Shapes: (B, C, H, W) -> (B, K, H, W)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, H, W)."""
        return 0 * x[:, :1] + self.bias[:, None, None]


@register_model(
    "constant",
    family="Baseline",
    year=2016,
    paper="a baseline, such as grey for all pixels in Zhang, Isola & Efros 2016, ECCV, Table 1",
    task="image_to_image",
    init="default",
    proof="tests/models/test_constant.py::test_least_squares_finds_the_mean_of_each_channel",
)
def constant(input_shape: Sequence[int] = (1, 32, 32), num_classes: int = 2) -> Constant:
    """The same output at every pixel of every image, one number a channel: a baseline.

    With the squared error it learns the mean of each channel of the targets; for colours (a, b)
    that is the mean chroma. Any sides.

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    image_shape("constant", input_shape)
    return Constant(num_classes)
