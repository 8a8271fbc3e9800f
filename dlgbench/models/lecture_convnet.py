"""The convolutional network of the lecture's own code examples.

Slides "Convolutional Network and Filter Visualizations", "Parameter initialization".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn

from dlgbench.errors import unknown
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model


@register_model(
    "lecture_convnet",
    family="Lecture",
    year=2018,
    paper="Mitra et al. 2018, EG course, code example convolutional_network.ipynb "
    "(github.com/smartgeometry-ucl/dl4g)",
    proof="tests/models/test_lecture_convnet.py::test_layers_by_hand",
)
def lecture_convnet(
    input_shape: Sequence[int] = (1, 28, 28),
    num_classes: int = 10,
    *,
    norm: str = "none",
    width: float = 1.0,
) -> nn.Sequential:
    """Three convolutions and one hidden layer: 25,384 parameters for MNIST.

    The convolutions are 4x4 of stride 2, with 8, 16 and 32 maps; the hidden layer has 50 units. A
    ReLU follows each layer but the last.

    Shapes: (B, 1, 28, 28) -> (B, 8, 14, 14) -> (B, 16, 7, 7) -> (B, 32, 3, 3) -> (B, 50)
    -> (B, num_classes).

    The slides name the code example but none of its layers; these are the layers of the course's
    notebooks, which print this number of parameters. The notebooks end in log softmax and take the
    negative log likelihood. Here, as everywhere, the outputs are logits and the loss is
    cross-entropy.

    Args:
        input_shape, num_classes: shapes of an input and of the output.
        norm: `none`, or `batch` for batch normalization before each ReLU (Ioffe & Szegedy 2015).
        width: scales the numbers of maps and hidden units.

    Raises:
        DlgbenchError: for a shape other than (C, H, W) with sides of at least 8, or an unknown
            norm.
    """
    if norm not in ("none", "batch"):
        raise unknown("norm", norm, ("none", "batch"))
    channels, height, breadth = image_shape("lecture_convnet", input_shape, least=8)
    a, b, c, hidden = (scaled(units, width) for units in (8, 16, 32, 50))
    layers: list[nn.Module] = []
    for inputs, maps in itertools.pairwise((channels, a, b, c)):
        layers.append(nn.Conv2d(inputs, maps, 4, stride=2, padding=1))
        layers += [nn.BatchNorm2d(maps)] if norm == "batch" else []
        layers.append(nn.ReLU())
    layers += [nn.Flatten(), nn.Linear(c * (height // 8) * (breadth // 8), hidden)]
    layers += [nn.BatchNorm1d(hidden)] if norm == "batch" else []
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(hidden, num_classes))
