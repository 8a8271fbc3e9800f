"""What the builders share: scaled widths, the check of an input's shape, He initialization."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import draw, weighted


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, rounded, and at least 1: how every model is made narrower.

    Raises:
        DlgbenchError: for channels or a width that are not above 0.
    """
    if not (channels > 0 and 0 < width < math.inf):
        raise DlgbenchError(
            f"expected a width and channels above 0, got width {width} of {channels} channels"
        )
    return max(1, round(channels * width))


def image_shape(model: str, input_shape: Sequence[int], least: int = 1) -> tuple[int, int, int]:
    """(C, H, W) of images whose sides are at least `least`.

    Raises:
        DlgbenchError: for any other shape, with the model's name.
    """
    if len(input_shape) != 3 or min(input_shape) < 1 or min(input_shape[1:]) < least:
        raise DlgbenchError(
            f"model {model}: expected images of shape (C, H, W) with sides of at least {least}, "
            f"got input_shape {tuple(input_shape)}"
        )
    channels, height, width = input_shape
    return channels, height, width


def he(network: nn.Module) -> None:
    """Draws each layer's weight from N(0, 2 / fan_in), in place, and sets its bias to zero.

    He et al. 2015, eq. 10.
    """
    for layer in weighted(network):
        draw(layer, lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
