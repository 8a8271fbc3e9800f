"""Densely connected networks (slide "CNNs, 2017: DenseNet")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model

PROOF = "tests/models/test_densenet.py::"


class DenseLayer(nn.Module):
    """y = [x, H(x)]: H sees all earlier outputs of its block. Huang et al. 2017, eq. 2.

    H(x) = W * max(0, BN(x)), * a 3x3 convolution to `growth` channels. With `bottleneck`
    (DenseNet-B) a 1x1 convolution to 4 growth channels comes first, of the same form. Without
    `concatenate` y = H(x), so that a layer sees the one before it alone.

    Shapes: (B, C, H, W) -> (B, C + growth, H, W), or (B, growth, H, W).
    """

    def __init__(
        self, inputs: int, growth: int, *, bottleneck: bool, concatenate: bool = True
    ) -> None:
        super().__init__()
        self.concatenate = concatenate
        layers = _convolution(inputs, 4 * growth, 1) if bottleneck else []
        layers += _convolution(4 * growth if bottleneck else inputs, growth, 3)
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[x, H(x)], or H(x)."""
        y = self.branch(x)
        return torch.cat([x, y], 1) if self.concatenate else y


def _convolution(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """W * max(0, BN(x)): the normalization comes first."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return [nn.BatchNorm2d(inputs), nn.ReLU(), convolution]


def _densenet(
    stem: Sequence[nn.Module],
    channels: int,
    blocks: Sequence[int],
    growth: int,
    num_classes: int,
    *,
    bottleneck: bool,
    compression: float,
    concatenate: bool = True,
) -> nn.Sequential:
    """The stem, which gives `channels`; blocks with transitions between them; the head.

    The head is BN, ReLU, the average over the image and the logits.
    """
    layers = [*stem]
    for i, count in enumerate(blocks):
        block = []
        for _ in range(count):
            layer = DenseLayer(channels, growth, bottleneck=bottleneck, concatenate=concatenate)
            block.append(layer)
            channels = channels + growth if concatenate else growth
        layers.append(nn.Sequential(*block))
        if i < len(blocks) - 1:
            compressed = max(1, int(channels * compression))
            transition = _convolution(channels, compressed, 1)
            layers.append(nn.Sequential(*transition, nn.AvgPool2d(2, 2)))
            channels = compressed
    head = (
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )
    network = nn.Sequential(*layers, *head)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    nn.init.zeros_(head[-1].bias)
    return network


@register_model(
    "densenet121",
    family="DenseNet",
    year=2017,
    paper="Huang et al. 2017, CVPR, Table 1",
    sides=(28, 64),
    proof=PROOF + "test_outputs_gradients_and_statistics_are_torchvisions",
)
def densenet121(
    input_shape: Sequence[int] = (3, 224, 224), num_classes: int = 1000, *, width: float = 1.0
) -> nn.Sequential:
    """DenseNet-BC with growth 32 and four blocks of 6, 12, 24 and 16 `DenseLayer`s.

    The layers have bottlenecks. Between two blocks is a transition: BN, ReLU, 1x1 convolution to
    half the channels, 2x2 average pooling. The stem is a 7x7 convolution of 64 channels with stride
    2, then max-pooling; for images with a side below 64 it is a 3x3 convolution alone. The initial
    weights of the convolutions are N(0, 2 / fan_in).

    Shapes: (B, C, H, W) -> (B, num_classes).

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        width: scales the growth and the stem, and so the channels of all layers.

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    channels = scaled(64, width)
    input_channels, *sides = image_shape("densenet", input_shape)
    if min(sides) < 64:
        convolution = nn.Conv2d(input_channels, channels, 3, padding=1, bias=False)
        stem = [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
    else:
        convolution = nn.Conv2d(input_channels, channels, 7, 2, padding=3, bias=False)
        stem = [convolution, nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)]
    return _densenet(
        stem,
        channels,
        (6, 12, 24, 16),
        scaled(32, width),
        num_classes,
        bottleneck=True,
        compression=0.5,
    )


@register_model(
    "densenet_bc_100_12",
    family="DenseNet",
    year=2017,
    paper="Huang et al. 2017, CVPR, Table 2",
    proof=PROOF + "test_parameters_layer_by_layer",
)
def densenet_bc_100_12(
    input_shape: Sequence[int] = (3, 32, 32),
    num_classes: int = 10,
    *,
    width: float = 1.0,
    depth: int = 100,
    growth: int = 12,
    bottleneck: bool = True,
    compression: float = 0.5,
    concatenate: bool = True,
) -> nn.Sequential:
    """DenseNet-BC for small images, of `depth` layers with weights.

    A 3x3 convolution, three equal blocks of `DenseLayer`s, a linear layer. A transition between two
    blocks, as in `densenet121`, keeps floor(compression C) of C channels; the sides are 32, 16, 8.
    The first convolution gives twice the growth, or 16 channels where nothing is compressed.

    Shapes: (B, C, H, W) -> (B, num_classes).

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        width: scales growth and first convolution, and so the channels of all layers.
        depth: 3n + 4, and 6n + 4 with bottlenecks, for n layers a block.
        growth: the channels that each layer adds, k.
        bottleneck, compression: DenseNet-B and -C; (False, 1) is the DenseNet without either.
        concatenate: whether each layer hands on what it saw. Without it the layers are a plain
            chain of `growth` channels.

    Raises:
        DlgbenchError: for another depth, for a compression outside (0, 1], for a shape other than
            (C, H, W).
    """
    step = 6 if bottleneck else 3
    count = (depth - 4) // step
    if count < 1 or depth != step * count + 4:
        raise DlgbenchError(
            f"model densenet: expected a depth of {step}n + 4 ({step + 4}, {2 * step + 4}, ...), "
            f"got {depth}"
        )
    if not 0 < compression <= 1:
        raise DlgbenchError(
            f"model densenet: expected a compression above 0 and at most 1, got {compression}"
        )
    channels, growth = scaled(16 if compression == 1 else 2 * growth, width), scaled(growth, width)
    stem = [nn.Conv2d(image_shape("densenet", input_shape)[0], channels, 3, padding=1, bias=False)]
    return _densenet(
        stem,
        channels,
        [count] * 3,
        growth,
        num_classes,
        bottleneck=bottleneck,
        compression=compression,
        concatenate=concatenate,
    )


@register_model(
    "densenet_40_12",
    family="DenseNet",
    year=2017,
    paper="Huang et al. 2017, CVPR, Table 2",
    proof=PROOF + "test_parameters_layer_by_layer",
)
def densenet_40_12(
    input_shape: Sequence[int] = (3, 32, 32),
    num_classes: int = 10,
    *,
    width: float = 1.0,
    depth: int = 40,
    growth: int = 12,
) -> nn.Module:
    """The DenseNet without bottlenecks and compression: `densenet_bc_100_12` with (False, 1)."""
    return densenet_bc_100_12(
        input_shape,
        num_classes,
        width=width,
        depth=depth,
        growth=growth,
        bottleneck=False,
        compression=1.0,
    )
