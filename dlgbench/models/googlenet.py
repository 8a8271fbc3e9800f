"""GoogLeNet (slide "CNNs, 2014: GoogLeNet")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlgbench.layers.noise import Dropout
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model

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
    """GoogLeNet's outputs in training: its logits and those of its two auxiliary heads.

    The heads follow the modules 4a and 4d. Shapes: (B, num_classes) each. The loss is
    l(logits) + 0.3 l(aux1) + 0.3 l(aux2). Szegedy et al. 2015, section 5.
    """

    logits: Tensor
    aux1: Tensor
    aux2: Tensor


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """max(0, BN(W * x)), with the sides divided by the stride."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, eps=1e-3), nn.ReLU(inplace=True))


class Inception(nn.Module):
    """Four branches on one input, concatenated. Szegedy et al. 2015, Figure 2b.

    The branches are: 1x1; 1x1, 3x3; 1x1, "5x5"; max-pooling 3x3, 1x1. The "5x5" is 3x3 here, as in
    torchvision, whose published weights and 6,624,904 parameters contain that mistake
    (pytorch/vision issue 906).

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
    """GoogLeNet; see `googlenet`.

    Shapes: (B, C, H, W) -> (B, num_classes), and GoogLeNetOutput in training with auxiliary heads.
    """

    def __init__(
        self, input_shape: Sequence[int], num_classes: int, width: float, *, auxiliary: bool
    ) -> None:
        super().__init__()
        first, channels = scaled(64, width), scaled(192, width)
        input_channels, *sides = image_shape("googlenet", input_shape)
        stem: list[nn.Module]
        if min(sides) < 64:
            stem = [_conv(input_channels, first, 3)]
        else:
            stem = [_conv(input_channels, first, 7, 2), _halve()]
        stem += [_conv(first, first, 1), _conv(first, channels, 3), _halve()]
        module: dict[str, Inception] = {}
        for name, branches in INCEPTIONS.items():
            module[name] = Inception(channels, *(scaled(branch, width) for branch in branches))
            channels = module[name].outputs
        after3, after4 = _halve(), nn.MaxPool2d(2, 2, ceil_mode=True)
        self.lower = nn.Sequential(*stem, module["3a"], module["3b"], after3, module["4a"])
        self.middle = nn.Sequential(module["4b"], module["4c"], module["4d"])
        self.upper = nn.Sequential(module["4e"], after4, module["5a"], module["5b"])
        self.aux1 = _auxiliary(module["4a"].outputs, num_classes, width) if auxiliary else None
        self.aux2 = _auxiliary(module["4d"].outputs, num_classes, width) if auxiliary else None
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), Dropout(0.2), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutput:
        """The logits, (B, num_classes); in training also those of the auxiliary heads."""
        after4a = self.lower(x)
        after4d = self.middle(after4a)
        if not self.training or self.aux1 is None or self.aux2 is None:
            return self.head(self.upper(after4d))
        aux1, aux2 = self.aux1(after4a), self.aux2(after4d)
        return GoogLeNetOutput(self.head(self.upper(after4d)), aux1, aux2)


def _halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def _auxiliary(inputs: int, num_classes: int, width: float) -> nn.Sequential:
    """An auxiliary head (Szegedy et al. 2015, section 5).

    Average pooling to 4x4, a 1x1 convolution of 128 channels, 1024 units with dropout 0.7, logits.
    """
    channels, units = scaled(128, width), scaled(1024, width)
    features = nn.Sequential(nn.AdaptiveAvgPool2d(4), _conv(inputs, channels, 1), nn.Flatten())
    return nn.Sequential(
        *features,
        nn.Linear(16 * channels, units),
        nn.ReLU(),
        Dropout(0.7),
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
    """GoogLeNet with batch normalization, 22 layers deep.

    Convolutions 7x7, 1x1 and 3x3, nine `Inception` modules (3a ... 5b) and a linear layer, with
    max-pooling in between. Each convolution is followed by batch normalization, which the paper's
    network did not have yet. Like torchvision's it drops 0.2 of the last features; the paper's
    drops 0.4.

    The initial weights are torch's. Torchvision's have the standard deviation 0.01, which in narrow
    layers makes the variance so small that the normalization's epsilon dominates it.

    For images with a side below 64 the first convolution is 3x3, keeps the sides and is not
    followed by a pooling.

    Shapes: (B, C, H, W) -> (B, num_classes); in training with auxiliary heads GoogLeNetOutput.

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        width: scales the channels and units of all layers.
        auxiliary: whether there are two more heads, after 4a and 4d, which give the lower layers a
            gradient in training.

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    return GoogLeNet(input_shape, num_classes, width, auxiliary=auxiliary)
