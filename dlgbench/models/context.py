"""The context module (slide "Atrous convolution = Dilated Convolution")."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from dlgbench.errors import unknown
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model

KERNELS = (3, 3, 3, 3, 3, 3, 3, 1)  # Table 1
DILATIONS = (1, 1, 2, 4, 8, 16, 1, 1)
MULTIPLES = {"basic": (1, 1, 1, 1, 1, 1, 1, 1), "large": (2, 2, 4, 8, 16, 32, 32, 1)}  # of C maps


@register_model(
    "context_module",
    family="Dilated convolution",
    year=2016,
    paper="Yu & Koltun 2016, ICLR, Table 1",
    task="segmentation",
    init="default",
    proof="tests/models/test_context.py::test_receptive_fields_are_table_1s",
)
def context_module(
    input_shape: Sequence[int] = (21, 64, 64),
    num_classes: int = 21,
    *,
    size: str = "large",
    width: float = 1.0,
) -> nn.Sequential:
    """Seven 3x3 convolutions of growing dilation, each with a ReLU, and a 1x1 convolution.

    The dilations are 1, 1, 2, 4, 8, 16, 1. The receptive fields grow as 3, 5, 9, 17, 33, 65, 67, 67
    and the resolution stays. The initial weights make it the identity (eq. 4 and 5): behind a front
    end that gives C maps of scores it initially changes none that is positive.

    Shapes: (B, C, H, W) -> (B, C, H, W), padded with zeros. Any other number of input maps is
    accepted too.

    Args:
        input_shape, num_classes: shape of an image, and C.
        size: `basic` has C maps in each layer and about 64 C^2 parameters; `large` has 2C, 2C, 4C,
            8C, 16C, 32C, 32C, C maps.
        width: scales the maps of all layers but the last.

    Raises:
        DlgbenchError: for an unknown size, or a shape other than (C, H, W).
    """
    if size not in MULTIPLES:
        raise unknown("size of context_module", size, MULTIPLES)
    inputs = image_shape("context_module", input_shape)[0]
    layers: list[nn.Module] = []
    for kernel, dilation, multiple in zip(KERNELS, DILATIONS, MULTIPLES[size], strict=True):
        outputs = scaled(multiple * num_classes, width) if kernel > 1 else num_classes
        padding = kernel // 2 * dilation
        layer = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation)
        identity_(layer, math.gcd(num_classes, inputs, outputs), 0.0 if size == "basic" else 0.01)
        layers += [layer, nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def identity_(layer: nn.Conv2d, groups: int, epsilon: float) -> None:
    """Makes a layer the identity but for noise, in place (eq. 5). Biases become 0.

    k_b(t, a) = G / c_out where t = 0 and floor(a G / c_in) = floor(b G / c_out), and a draw from
    N(0, (epsilon G / c_out)^2) elsewhere; t is the position in the kernel, a and b are the input
    and the output map, G = `groups`. With G maps in and out this is eq. 4: 1 where t = 0 and a = b.

    The paper's G is C. Here it is the greatest common divisor of C and the numbers of maps, which
    is C where those are multiples of C, and also fits where they are not, as for a grey image.
    """
    outputs, inputs, rows, columns = layer.weight.shape
    nn.init.normal_(layer.weight, 0.0, epsilon * groups / outputs)
    group_of_output = torch.arange(outputs) * groups // outputs
    group_of_input = torch.arange(inputs) * groups // inputs
    belongs = group_of_output[:, None] == group_of_input[None]
    centre = layer.weight[:, :, rows // 2, columns // 2]
    centre.copy_(torch.where(belongs, groups / outputs, centre))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
