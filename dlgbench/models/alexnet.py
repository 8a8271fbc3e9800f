"""AlexNet (slide "CNNs, 2012")."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dlgbench.layers.noise import Dropout
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.registry import register_model


@register_model(
    "alexnet",
    family="AlexNet",
    year=2012,
    paper="Krizhevsky, Sutskever & Hinton 2012, NIPS; one column: Krizhevsky 2014, arXiv 1404.5997",
    proof="tests/models/test_alexnet.py::test_outputs_and_gradients_are_torchvisions",
)
def alexnet(
    input_shape: Sequence[int] = (3, 224, 224), num_classes: int = 1000, *, width: float = 1.0
) -> nn.Sequential:
    """AlexNet: five convolutions and three linear layers, with 61,100,840 parameters.

    A ReLU follows each layer but the last. Three of the convolutions are followed by max-pooling
    3x3 of stride 2. Dropout of 0.5 stands before each of the two hidden linear layers.

    Shapes: (B, 3, 224, 224) -> conv 11x11 of stride 4 (B, 64, 55, 55) -> pool, conv 5x5
    (B, 192, 27, 27) -> pool, three conv 3x3 (B, 384 | 256 | 256, 13, 13) -> pool (B, 256, 6, 6)
    -> (B, 4096) -> (B, 4096) -> (B, num_classes). Other images with sides of at least 64 are
    averaged to 6x6 before the first linear layer.

    This is torchvision's form with one column. The paper's two columns have 60,965,224 parameters,
    96, 256, 384, 384, 256 maps and local response normalization.

    Images with a side below 64 get a first convolution 5x5 of stride 1, poolings that round up, and
    a first linear layer with as many inputs as are left: 28x28 -> 14x14 -> 7x7 -> 3x3.

    The initial weights are He's (2015), the initial biases zero. The paper's N(0, 0.01^2) and
    biases of one do not carry over to other widths.

    Raises:
        DlgbenchError: for a shape other than (C, H, W) with sides of at least 8.
    """
    channels, height, breadth = image_shape("alexnet", input_shape, least=8)
    small = min(height, breadth) < 64
    a, b, c, d, e, hidden = (scaled(units, width) for units in (64, 192, 384, 256, 256, 4096))
    kernel, stride = (5, 1) if small else (11, 4)
    left = e * (height // 8) * (breadth // 8) if small else e * 6 * 6
    network = nn.Sequential(
        nn.Conv2d(channels, a, kernel, stride=stride, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=small),
        nn.Conv2d(a, b, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=small),
        nn.Conv2d(b, c, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(c, d, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(d, e, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=small),
        nn.Identity() if small else nn.AdaptiveAvgPool2d(6),
        nn.Flatten(),
        Dropout(0.5),
        nn.Linear(left, hidden),
        nn.ReLU(),
        Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, num_classes),
    )
    he(network)
    return network
