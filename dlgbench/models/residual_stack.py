"""A stack of residual blocks from image to image, and the same stack without shortcuts.

Slide "Residual Network": "difficult to make identity mapping", "easy to set weights as 0".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from dlgbench.errors import DlgbenchError
from dlgbench.models.cifar_resnet import Residual, Shortcut
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.registry import register_model


@register_model(
    "residual_stack",
    family="Residual block",
    year=2016,
    paper="He et al. 2016, CVPR, Figure 2",
    task="image_to_image",
    init="default",
    proof="tests/models/test_residual_stack.py::test_a_stack_is_its_equation",
)
def residual_stack(
    input_shape: Sequence[int] = (1, 16, 16),
    num_classes: int = 1,
    *,
    blocks: int = 4,
    channels: int = 8,
    skip: bool = True,
    shortcut_scale: float = 1.0,
    width: float = 1.0,
) -> nn.Sequential:
    """z_0 = max(0, W x), z_i = max(0, z_(i-1) + W_i2 * max(0, W_i1 * z_(i-1))), y = V z_n.

    All are 3x3 convolutions with biases and without normalization. The last layer of each block is
    initially zero, so that the block is initially the identity; all other weights are He's. Without
    `skip` it is the plain stack, z_i = max(0, W_i2 * max(0, W_i1 * z_(i-1))), with the same layers,
    all of whose weights are He's.

    Shapes: (B, C, H, W) -> (B, num_classes, H, W).

    Args:
        input_shape, num_classes: shape of an image, channels of the output.
        blocks: n, each of two layers.
        channels: maps of each layer but the last.
        skip: whether the blocks have shortcuts.
        shortcut_scale: the factor of the shortcuts. Where it is 0 nothing is initially zero, and
            the outputs are those of the plain stack, to the bit.
        width: scales `channels`.

    Raises:
        DlgbenchError: for shortcut_scale without skip, or a shape other than (C, H, W).
    """
    if shortcut_scale != 1 and not skip:
        raise DlgbenchError(
            "model residual_stack: expected shortcut_scale=1, since there are no shortcuts, "
            f"got {shortcut_scale}"
        )
    units = scaled(channels, width)
    stem = nn.Conv2d(image_shape("residual_stack", input_shape)[0], units, 3, padding=1)
    layers: list[nn.Module] = [stem, nn.ReLU()]
    lasts = []
    for _ in range(blocks):
        first, last = (nn.Conv2d(units, units, 3, padding=1) for _ in range(2))
        branch = nn.Sequential(first, nn.ReLU(), last)
        plain = OrderedDict(branch=branch, relu=nn.ReLU())
        shortcut = Shortcut(1, 0, shortcut_scale)
        layers.append(Residual(branch, shortcut) if skip else nn.Sequential(plain))
        lasts.append(last)
    network = nn.Sequential(*layers, nn.Conv2d(units, num_classes, 3, padding=1))
    he(network)
    for last in lasts if skip and shortcut_scale else []:
        nn.init.zeros_(last.weight)
    return network
