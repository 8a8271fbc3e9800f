"""VGG-11, -13, -16 and -19, with and without batch normalization.

Slide "CNNs, 2014: VGG".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from dlgbench.layers.noise import Dropout
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.registry import register_model

CHANNELS = (64, 128, 256, 512, 512)  # of the five stages
STAGES = {  # convolutions in each; Table 1's A, B, D, E
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(
    depth: int, *, norm: bool, input_shape: Sequence[int], num_classes: int, width: float
) -> nn.Sequential:
    """VGG: five stages of 3x3 convolutions and three linear layers (Table 1).

    A ReLU follows each layer but the last. Max-pooling 2x2 of stride 2 follows each stage, dropout
    of 0.5 each of the two hidden linear layers.

    Shapes: (B, 3, 224, 224) -> (B, 64, 112, 112) -> (B, 128, 56, 56) -> (B, 256, 28, 28)
    -> (B, 512, 14, 14) -> (B, 512, 7, 7) -> (B, 4096) -> (B, 4096) -> (B, num_classes). Other
    images with sides of at least 64 are averaged to 7x7 before the first linear layer, as in
    torchvision.

    Images with a side below 64 get poolings that round up, and a first linear layer with as many
    inputs as are left: 28x28 -> 14, 7, 4, 2, 1.

    The initial weights are He's (2015), the initial biases zero. With the paper's N(0, 0.01^2) the
    shallow network would have to be trained first (section 3.1).

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    name = f"vgg{depth}_bn" if norm else f"vgg{depth}"
    inputs, height, breadth = image_shape(name, input_shape)
    small = min(height, breadth) < 64
    layers: list[nn.Module] = []
    for convolutions, stage in zip(STAGES[depth], CHANNELS, strict=True):
        channels = scaled(stage, width)
        for _ in range(convolutions):
            layers.append(nn.Conv2d(inputs, channels, 3, padding=1))
            if norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU())
            inputs = channels
        layers.append(nn.MaxPool2d(2, ceil_mode=small))
    hidden = scaled(4096, width)
    left = -(-height // 32) * -(-breadth // 32) if small else 7 * 7
    layers += [] if small else [nn.AdaptiveAvgPool2d(7)]
    layers += [nn.Flatten(), nn.Linear(inputs * left, hidden), nn.ReLU(), Dropout(0.5)]
    layers += [nn.Linear(hidden, hidden), nn.ReLU(), Dropout(0.5)]
    network = nn.Sequential(*layers, nn.Linear(hidden, num_classes))
    he(network)
    return network


def _register(depth: int, *, norm: bool) -> Callable[..., nn.Sequential]:
    def build(
        input_shape: Sequence[int] = (3, 224, 224), num_classes: int = 1000, *, width: float = 1.0
    ) -> nn.Sequential:
        return vgg(depth, norm=norm, input_shape=input_shape, num_classes=num_classes, width=width)

    name = f"vgg{depth}_bn" if norm else f"vgg{depth}"
    build.__name__ = build.__qualname__ = name
    with_norm = ", with batch normalization after each convolution" if norm else ""
    build.__doc__ = f"VGG-{depth}{with_norm}; see `vgg`."
    paper = "Simonyan & Zisserman 2015, ICLR, Table 1"
    paper += ", with batch normalization: Ioffe & Szegedy 2015, ICML" if norm else ""
    proof = "tests/models/test_vgg.py::test_outputs_gradients_and_statistics_are_torchvisions"
    register_model(name, family="VGG", year=2014, paper=paper, proof=proof)(build)
    return build


vgg11, vgg13, vgg16, vgg19 = (_register(depth, norm=False) for depth in STAGES)
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_register(depth, norm=True) for depth in STAGES)
