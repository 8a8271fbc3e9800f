"""The context module (slide "Atrous convolution = Dilated Convolution")."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from dlgbench.errors import unknown
from dlgbench.models import register_model
from dlgbench.models.common import image_shape, scaled

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
    """Seven 3x3 convolutions of dilation 1, 1, 2, 4, 8, 16, 1, each truncated by max(., 0), and a 1x1 convolution.

    The receptive fields grow 3, 5, 9, 17, 33, 65, 67, 67 and the resolution stays. With C = num_classes, size `basic` has C maps in
    each layer, about 64 C^2 parameters; `large` has 2C, 2C, 4C, 8C, 16C, 32C, 32C, C. It begins as the identity (eq. 4 and 5), so
    put behind a front end that yields C maps of scores it begins by changing nothing that is positive.

    Shapes: (B, C, H, W) -> (B, C, H, W), padded by zeros; any other number of input maps will do.

    Raises:
        DlgbenchError: for an unknown size, or a shape other than (C, H, W).
    """
    if size not in MULTIPLES:
        raise unknown("size of context_module", size, MULTIPLES)
    inputs = image_shape("context_module", input_shape)[0]
    layers: list[nn.Module] = []
    for kernel, dilation, multiple in zip(KERNELS, DILATIONS, MULTIPLES[size], strict=True):
        outputs = scaled(multiple * num_classes, width) if kernel > 1 else num_classes
        layer = nn.Conv2d(
            inputs, outputs, kernel, padding=kernel // 2 * dilation, dilation=dilation
        )
        identity_(layer, math.gcd(num_classes, inputs, outputs), 0.0 if size == "basic" else 0.01)
        layers += [layer, nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def identity_(layer: nn.Conv2d, groups: int, epsilon: float) -> None:
    """k_b(t, a) = G / c_out where t = 0 and floor(a G / c_in) = floor(b G / c_out), else N(0, (epsilon G / c_out)^2); biases 0 (eq. 5).

    With as many maps in as out as G = `groups` this is eq. 4: 1 where t = 0 and a = b. The paper's G is C; the common divisor of C and
    the numbers of maps is the same where those are multiples of C, and serves where not, as for a grey image.
    """
    outputs, inputs, rows, columns = layer.weight.shape
    nn.init.normal_(layer.weight, 0.0, epsilon * groups / outputs)
    belongs = (torch.arange(outputs) * groups // outputs)[:, None] == (
        torch.arange(inputs) * groups // inputs
    )[None]
    centre = layer.weight[:, :, rows // 2, columns // 2]
    centre.copy_(torch.where(belongs, groups / outputs, centre))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
