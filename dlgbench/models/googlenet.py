"""GoogLeNet (slide "CNNs, 2014: GoogLeNet")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlgbench.models import register_model
from dlgbench.models.common import image_shape, scaled

INCEPTIONS = {  # channels: one, reduce3, three, reduce5, five, pool. Szegedy et al. 2015, Table 1
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutput(NamedTuple):
    """What GoogLeNet gives in training, each (B, num_classes): its logits and those of the auxiliary heads after 4a and after 4d.

    The loss is l(logits) + 0.3 l(aux1) + 0.3 l(aux2). Szegedy et al. 2015, section 5.
    """

    logits: Tensor
    aux1: Tensor
    aux2: Tensor


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """max(0, BN(W * x)); keeps the sides (over the stride)."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, eps=1e-3), nn.ReLU(inplace=True))


class Inception(nn.Module):
    """[1x1 | 1x1, 3x3 | 1x1, "5x5" | max-pooling 3x3, 1x1]: four branches on one input, concatenated. Szegedy et al. 2015, Figure 2b.

    The "5x5" is 3x3 here, as in torchvision, whose published weights and 6,624,904 parameters rest on that slip (pytorch/vision issue 906).

    Shapes: (B, C, H, W) -> (B, one + three + five + pool, H, W).

    Args:
        inputs: C.
        one, three, five, pool: channels that each branch gives.
        reduce3, reduce5: channels between the two convolutions of the second and third branch.
    """

    def __init__(
        self, inputs: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int
    ) -> None:
        super().__init__()
        self.outputs = one + three + five + pool
        self.one = _conv(inputs, one, 1)
        self.three = nn.Sequential(_conv(inputs, reduce3, 1), _conv(reduce3, three, 3))
        self.five = nn.Sequential(_conv(inputs, reduce5, 1), _conv(reduce5, five, 3))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), _conv(inputs, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The branches' outputs, concatenated."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class GoogLeNet(nn.Module):
    """`googlenet` says what it is. (B, C, H, W) -> (B, num_classes), and GoogLeNetOutput in training with auxiliary heads."""

    def __init__(
        self, input_shape: Sequence[int], num_classes: int, width: float, *, auxiliary: bool
    ) -> None:
        super().__init__()
        first, channels = scaled(64, width), scaled(192, width)
        input_channels, *sides = image_shape("googlenet", input_shape)
        small = min(sides) < 64
        stem = (
            [_conv(input_channels, first, 3)]
            if small
            else [_conv(input_channels, first, 7, 2), _halve()]
        )
        stem += [_conv(first, first, 1), _conv(first, channels, 3), _halve()]
        inception: dict[str, Inception] = {}
        for name, branches in INCEPTIONS.items():
            inception[name] = Inception(channels, *(scaled(branch, width) for branch in branches))
            channels = inception[name].outputs
        self.lower = nn.Sequential(
            *stem, inception["3a"], inception["3b"], _halve(), inception["4a"]
        )
        self.middle = nn.Sequential(inception["4b"], inception["4c"], inception["4d"])
        self.upper = nn.Sequential(
            inception["4e"], nn.MaxPool2d(2, 2, ceil_mode=True), inception["5a"], inception["5b"]
        )
        self.aux1 = _auxiliary(inception["4a"].outputs, num_classes, width) if auxiliary else None
        self.aux2 = _auxiliary(inception["4d"].outputs, num_classes, width) if auxiliary else None
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutput:
        """The logits, (B, num_classes); in training with auxiliary heads, theirs too."""
        after4a = self.lower(x)
        after4d = self.middle(after4a)
        if not self.training or self.aux1 is None or self.aux2 is None:
            return self.head(self.upper(after4d))
        aux1, aux2 = self.aux1(after4a), self.aux2(after4d)
        return GoogLeNetOutput(self.head(self.upper(after4d)), aux1, aux2)


def _halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def _auxiliary(inputs: int, num_classes: int, width: float) -> nn.Sequential:
    """Average pooling to 4x4, a 1x1 convolution of 128 channels, 1024 units with dropout 0.7, logits. Szegedy et al. 2015, section 5."""
    channels, units = scaled(128, width), scaled(1024, width)
    features = nn.Sequential(nn.AdaptiveAvgPool2d(4), _conv(inputs, channels, 1), nn.Flatten())
    return nn.Sequential(
        *features,
        nn.Linear(16 * channels, units),
        nn.ReLU(),
        nn.Dropout(0.7),
        nn.Linear(units, num_classes),
    )


@register_model(
    "googlenet",
    family="GoogLeNet",
    year=2015,
    paper="Szegedy et al. 2015, CVPR, Table 1",
    sides=(28, 64),
    proof="tests/models/test_googlenet.py::test_outputs_gradients_and_statistics_are_torchvisions",
)
def googlenet(
    input_shape: Sequence[int] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    auxiliary: bool = True,
) -> GoogLeNet:
    """22 layers with weights: 7x7, 1x1, 3x3, then nine `Inception` modules (3a ... 5b) and a linear layer, max-pooling between.

    The BatchNorm form: each convolution is normalized; the paper's network precedes that trick. As torchvision's, it drops 0.2 of the last
    features, the paper's 0.4. Weights begin as torch's, since 0.01, torchvision's standard deviation, vanishes in the
    normalization's epsilon where the layers are narrow. Below 64 pixels a side, the first convolution is 3x3 and keeps the sides, and no
    pooling follows.

    Shapes: (B, C, H, W) -> (B, num_classes); in training with auxiliary heads GoogLeNetOutput.

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        width: scales the channels and units of all layers.
        auxiliary: two heads more, after 4a and 4d, that bring the lower layers a gradient in training.
    """
    return GoogLeNet(input_shape, num_classes, width, auxiliary=auxiliary)
