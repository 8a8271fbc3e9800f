"""A stack of convolutions, 3x3 by default, plain, dilated or pooled.

Slides "Receptive field arithmetic", "Dilated Convolution".
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dlgbench.errors import DlgbenchError
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
    kernels: Sequence[int] | None = None,
    padding: bool = True,
) -> nn.Sequential:
    """F_i = g(conv(F_(i-1), K_i x K_i, dilation d_i)); the last layer has no g.

    With K = 3 and d = 1, 2, 4, ... the receptive field is 3, 7, 15, ... = 2^(i+1) - 1.

    Shapes: (B, C, H, W) -> (B, num_classes, H, W). With `pool`, max-pooling by 2 between two layers
    halves H and W each time.

    Args:
        input_shape, num_classes: shape of an image, channels of the output.
        dilations: d_i of each layer.
        channels: maps of each layer but the last.
        activation: g, a name of `dlgbench.layers.activations`.
        pool: whether to pool between the layers.
        width: scales `channels`.
        kernels: K_i, the odd side of each layer's kernel; 3 by default.
        padding: whether zeros around the maps keep H and W; if not, layer i takes (K_i - 1) d_i
            from each.

    Raises:
        DlgbenchError: for an unknown activation, a shape other than (C, H, W), or kernels that are
            not one odd side for each dilation.
    """
    kernels = [3] * len(dilations) if kernels is None else kernels
    if len(kernels) != len(dilations) or not all(side % 2 for side in kernels):
        raise DlgbenchError(
            f"conv_stack: kernels: expected {len(dilations)} odd sides, one for each dilation, got "
            f"{list(kernels)}"
        )
    layers: list[nn.Module] = []
    inputs, channels = image_shape("conv_stack", input_shape)[0], scaled(channels, width)
    for k, (dilation, side) in enumerate(zip(dilations, kernels, strict=True)):
        last = k == len(dilations) - 1
        if pool and k:
            layers.append(nn.MaxPool2d(2))
        outputs = num_classes if last else channels
        margin = dilation * (side - 1) // 2 if padding else 0
        layers.append(nn.Conv2d(inputs, outputs, side, padding=margin, dilation=dilation))
        if not last:
            layers.append(activation_by_name(activation))
        inputs = channels
    return nn.Sequential(*layers)
