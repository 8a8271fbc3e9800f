"""A stack of 3x3 convolutions, plain, dilated or pooled.

Slides "Receptive field arithmetic", "Dilated Convolution".
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dlgbench.layers.activations import activation as activation_by_name
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model


@register_model(
    "conv_stack",
    family="Dilated convolution",
    year=2016,
    paper="Yu & Koltun 2016, ICLR, Figure 1",
    task="segmentation",
    proof="tests/models/test_conv_stack.py::test_a_dilated_stack_is_its_equation",
)
def conv_stack(
    input_shape: Sequence[int] = (1, 28, 28),
    num_classes: int = 8,
    *,
    dilations: Sequence[int] = (1, 2, 4),
    channels: int = 8,
    activation: str = "relu",
    pool: bool = False,
    width: float = 1.0,
) -> nn.Sequential:
    """F_i = g(conv3x3(F_(i-1), dilation d_i)); the last layer has no g.

    With d = 1, 2, 4, ... the receptive field is 3, 7, 15, ... = 2^(i+1) - 1.

    Shapes: (B, C, H, W) -> (B, num_classes, H, W). With `pool`, max-pooling by 2 between two layers
    halves H and W each time.

    Args:
        input_shape, num_classes: shape of an image, channels of the output.
        dilations: d_i of each layer.
        channels: maps of each layer but the last.
        activation: g, a name of `dlgbench.layers.activations`.
        pool: whether to pool between the layers.
        width: scales `channels`.

    Raises:
        DlgbenchError: for an unknown activation, or a shape other than (C, H, W).
    """
    layers: list[nn.Module] = []
    inputs, channels = image_shape("conv_stack", input_shape)[0], scaled(channels, width)
    for k, dilation in enumerate(dilations):
        last = k == len(dilations) - 1
        if pool and k:
            layers.append(nn.MaxPool2d(2))
        outputs = num_classes if last else channels
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation))
        if not last:
            layers.append(activation_by_name(activation))
        inputs = channels
    return nn.Sequential(*layers)
