"""A small convolutional net whose connections and pooling are arguments.

Slides "Fully-connected Layer", "Convolutional layer", "Pooling layer".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.layers.pooling import pool
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model

CONNECTIONS = ("shared", "local")
PERMUTATION_SEED = 2018  # one permutation for all nets and seeds


class PermutePixels(nn.Module):
    """y[c, p] = x[c, pi(p)] for one fixed permutation pi of the pixels.

    Shapes: (B, C, H, W) -> (B, C, H, W).
    """

    order: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(PERMUTATION_SEED)
        order = torch.randperm(height * width, generator=random, device="cpu")
        self.register_buffer("order", order, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x.flatten(2)[:, :, self.order].view_as(x)


@register_model(
    "pooled_convnet",
    family="Lecture",
    year=2018,
    paper="Mitra et al. 2018, EG course, slides Convolutional layer, Pooling layer",
    proof="tests/models/test_pooled_convnet.py::test_layers_by_hand",
)
def pooled_convnet(
    input_shape: Sequence[int] = (1, 28, 28),
    num_classes: int = 10,
    *,
    channels: Sequence[int] = (8, 16),
    kernel: int = 3,
    connections: str = "shared",
    pooling: str = "max",
    windows: Sequence[int] = (2, 2),
    permuted: bool = False,
    width: float = 1.0,
) -> nn.Sequential:
    """z^l = pool_l(ReLU(w^l * z^(l-1) + b^l)), logits = W z^L + b, for L = len(channels).

    Shapes: (B, C, H, W) -> (B, c_1, H / k_1, W / k_1) -> ... -> (B, num_classes), where windows k_l
    round H / k_l down. A convolution sees zeros outside the image and keeps its size.

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        channels: c_l, the maps of each layer.
        kernel: the side of a window of the convolutions, odd.
        connections: `shared` for convolutions; `local` for the same windows, each location with
            weights of its own (`dlgbench.layers.locally_connected`).
        pooling: its kind (`dlgbench.layers.pooling`).
        windows: k_l, the side and the stride of the pooling after each layer; 1 for none.
        permuted: whether one fixed permutation of the pixels comes first, so that neighbours in the
            image are no neighbours for the net.
        width: scales `channels`.

    Raises:
        DlgbenchError: for unknown connections or pooling, an even kernel, another number of windows
            than of layers, or windows that leave no pixel.
    """
    rows, columns = image_shape("pooled_convnet", input_shape)[1:]
    if connections not in CONNECTIONS:
        raise unknown("connections", connections, CONNECTIONS)
    if kernel % 2 == 0 or len(windows) != len(channels):
        raise DlgbenchError(
            "model pooled_convnet: expected an odd kernel and a window for each of "
            f"{len(channels)} layers, got kernel {kernel} and windows {tuple(windows)}"
        )
    layers: list[nn.Module] = [PermutePixels(rows, columns)] if permuted else []
    inputs = input_shape[0]
    for units, window in zip(channels, windows, strict=True):
        outputs = scaled(units, width)
        layers.append(_layer(connections, inputs, outputs, (rows, columns), kernel))
        layers += [nn.ReLU(), pool(pooling, window)]
        rows, columns, inputs = rows // window, columns // window, outputs
    if not rows * columns:
        raise DlgbenchError(
            f"model pooled_convnet: expected windows that leave a pixel of {tuple(input_shape)}, "
            f"got {tuple(windows)}"
        )
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * rows * columns, num_classes))


def _layer(
    connections: str, inputs: int, outputs: int, size: tuple[int, int], kernel: int
) -> nn.Module:
    if connections == "shared":
        return nn.Conv2d(inputs, outputs, kernel, padding="same")
    return LocallyConnected2d(inputs, outputs, size, kernel, padding="same")
