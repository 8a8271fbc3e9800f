"""Residual networks for ImageNet.

Slides "CNNs, 2015: ResNet", "Residual Network".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model

PAPER = "He et al. 2016, CVPR, Table 1"
PROOF = "tests/models/test_resnet.py::test_outputs_gradients_and_statistics_are_torchvisions"


class Residual(nn.Module):
    """y = max(0, F(x) + S(x)). He et al. 2016, eq. 1 and 2.

    The branch F learns the change of x, the shortcut S passes x on. F ends in a batch normalization
    without activation. S is the identity where the shapes agree, and a 1x1 convolution with batch
    normalization elsewhere (option B).

    Shapes: (B, C, H, W) -> (B, C', H / stride, W / stride).
    """

    def __init__(self, branch: nn.Sequential, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut, self.relu = branch, shortcut, nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """max(0, F(x) + S(x))."""
        y = self.branch(x)
        y += self.shortcut(x)  # in place, like the ReLUs: a large ResNet needs much memory
        return self.relu(y)


def _normalized(
    inputs: int, outputs: int, kernel: int, stride: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution that divides the sides by the stride, and batch normalization as its bias."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs)


def _branch(inputs: int, units: int, stride: int, *, bottleneck: bool, v1: bool) -> nn.Sequential:
    """3x3, 3x3; as a bottleneck 1x1, 3x3, 1x1, the last with four times the channels."""
    if not bottleneck:
        first, second = _normalized(inputs, units, 3, stride), _normalized(units, units, 3)
        return nn.Sequential(*first, nn.ReLU(inplace=True), *second)
    reduce = _normalized(inputs, units, 1, stride if v1 else 1)
    convolve = _normalized(units, units, 3, 1 if v1 else stride)
    expand = _normalized(units, 4 * units, 1)
    return nn.Sequential(*reduce, nn.ReLU(inplace=True), *convolve, nn.ReLU(inplace=True), *expand)


def _stem(input_shape: Sequence[int], units: int) -> nn.Sequential:
    """7x7 of stride 2 and max-pooling; for images with a side below 64 a 3x3 convolution alone."""
    input_channels, *sides = image_shape("resnet", input_shape)
    if min(sides) < 64:
        return nn.Sequential(*_normalized(input_channels, units, 3), nn.ReLU(inplace=True))
    convolution = _normalized(input_channels, units, 7, 2)
    return nn.Sequential(*convolution, nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1))


def _resnet(
    blocks: Sequence[int],
    input_shape: Sequence[int],
    num_classes: int,
    width: float,
    *,
    zero_gamma: bool,
    bottleneck: bool = True,
    v1: bool = False,
) -> nn.Sequential:
    channels = scaled(64, width)
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=_stem(input_shape, channels))
    for stage, count in enumerate(blocks):
        stack = []
        for block in range(count):
            stride = 2 if stage and not block else 1
            units = scaled(64 * 2**stage, width)
            branch = _branch(channels, units, stride, bottleneck=bottleneck, v1=v1)
            outputs = 4 * units if bottleneck else units
            shortcut: nn.Module = nn.Identity()
            if stride > 1 or channels != outputs:
                shortcut = nn.Sequential(*_normalized(channels, outputs, 1, stride))
            stack.append(Residual(branch, shortcut))
            channels = outputs
        layers[f"stage{stage + 1}"] = nn.Sequential(*stack)
    logits = nn.Linear(channels, num_classes)
    layers["head"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), logits)
    network = nn.Sequential(layers)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, Residual) and zero_gamma:
            nn.init.zeros_(module.branch[-1].get_parameter("weight"))
    return network


@register_model("resnet18", family="ResNet", year=2016, paper=PAPER, sides=(28, 64), proof=PROOF)
def resnet18(
    input_shape: Sequence[int] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    zero_gamma: bool = False,
) -> nn.Sequential:
    """ResNet-18: 17 convolutions and a linear layer.

    Four stages of 2, 2, 2, 2 blocks (`Residual`) of two 3x3 convolutions at 64, 128, 256 and 512
    channels. The first block of each stage but the first halves the sides. The initial weights of
    the convolutions are N(0, 2 / fan_out); they have no biases but those of the normalizations.
    For images with a side below 64 the stem keeps the sides, and a 28x28 image ends as 4x4.

    Shapes: (B, C, H, W) -> (B, num_classes).

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        width: scales the channels of all layers.
        zero_gamma: the last gamma of each branch is initially 0, so that each block is initially
            max(0, S(x)) (Goyal et al. 2017, section 5.1).

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    return _resnet(
        (2, 2, 2, 2), input_shape, num_classes, width, zero_gamma=zero_gamma, bottleneck=False
    )


@register_model("resnet34", family="ResNet", year=2016, paper=PAPER, sides=(28, 64), proof=PROOF)
def resnet34(
    input_shape: Sequence[int] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    zero_gamma: bool = False,
) -> nn.Sequential:
    """`resnet18` with 3, 4, 6, 3 blocks."""
    return _resnet(
        (3, 4, 6, 3), input_shape, num_classes, width, zero_gamma=zero_gamma, bottleneck=False
    )


@register_model("resnet50", family="ResNet", year=2016, paper=PAPER, sides=(28, 64), proof=PROOF)
def resnet50(
    input_shape: Sequence[int] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    zero_gamma: bool = False,
    v1: bool = False,
) -> nn.Sequential:
    """`resnet34` with bottlenecks: blocks of 1x1, 3x3 and 1x1 convolutions.

    The last convolution of a block has four times the channels.

    Args:
        input_shape, num_classes, width, zero_gamma: as in `resnet18`.
        v1: the first 1x1 convolution has the stride, as in the paper, so that it reads only one of
            four positions (receptive field 483). Without it the 3x3 convolution has the stride, as
            in torchvision's "v1.5" (427).
    """
    return _resnet((3, 4, 6, 3), input_shape, num_classes, width, zero_gamma=zero_gamma, v1=v1)


@register_model("resnet101", family="ResNet", year=2016, paper=PAPER, sides=(28, 64), proof=PROOF)
def resnet101(
    input_shape: Sequence[int] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    zero_gamma: bool = False,
    v1: bool = False,
) -> nn.Sequential:
    """`resnet50` with 3, 4, 23, 3 blocks."""
    return _resnet((3, 4, 23, 3), input_shape, num_classes, width, zero_gamma=zero_gamma, v1=v1)


@register_model("resnet152", family="ResNet", year=2016, paper=PAPER, sides=(28, 64), proof=PROOF)
def resnet152(
    input_shape: Sequence[int] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    zero_gamma: bool = False,
    v1: bool = False,
) -> nn.Sequential:
    """`resnet50` with 3, 8, 36, 3 blocks."""
    return _resnet((3, 8, 36, 3), input_shape, num_classes, width, zero_gamma=zero_gamma, v1=v1)
