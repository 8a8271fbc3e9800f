"""The simplification of rough sketches.

Slide "Encoder-decoder": Learning to simplify. Simo-Serra et al. 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dlgbench.errors import unknown
from dlgbench.layers.upsampling import AnySide
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model

DOWN5, DOWN, FLAT, UP = (5, 2), (3, 2), (3, 1), (4, 0.5)  # kernel, stride
TABLE = (  # Table 1: the kind of layer and its number of maps; one line is one resolution
    *((DOWN5, 48), (FLAT, 128), (FLAT, 128)),
    *((DOWN, 256), (FLAT, 256), (FLAT, 256)),
    *((DOWN, 256), (FLAT, 512), *[(FLAT, 1024)] * 4, (FLAT, 512), (FLAT, 256)),
    *((UP, 256), (FLAT, 256), (FLAT, 128)),
    *((UP, 128), (FLAT, 128), (FLAT, 48)),
    *((UP, 48), (FLAT, 24)),
)


@register_model(
    "sketch_simplification",
    family="Encoder-decoder",
    year=2016,
    paper="Simo-Serra et al. 2016, SIGGRAPH, Table 1",
    task="image_to_image",
    proof="tests/models/test_sketch.py::test_layers_and_parameters_by_hand",
)
def sketch_simplification(
    input_shape: Sequence[int] = (1, 424, 424),
    num_classes: int = 1,
    *,
    norm: str = "batch",
    width: float = 1.0,
) -> AnySide:
    """A fully convolutional encoder and decoder of 23 convolutions.

    Convolutions of stride 2 halve the resolution, 4x4 transposed convolutions double it, and those
    in between keep it. Batch normalization and ReLU follow each but the last, which a sigmoid
    follows.

    Shapes: (B, 1, H, W) -> 48, 128, 128 maps of H/2 -> 256, 256, 256 of H/4 -> 256, 512, 1024,
    1024, 1024, 1024, 512, 256 of H/8 -> 256, 256, 128 of H/4 -> 128, 128, 48 of H/2 -> 48, 24, 1 of
    H, in [0, 1]. Any sides: those that are no multiples of 8 are padded, and the output is cropped.

    Args:
        input_shape, num_classes: shape of an image, channels of the output.
        norm: `batch`, or `none` for convolutions with biases and no normalization, which is the
            form that a trained network takes once its normalizations are folded into the weights.
        width: scales the numbers of maps.

    Raises:
        DlgbenchError: for an unknown norm, or a shape other than (C, H, W).
    """
    if norm not in ("none", "batch"):
        raise unknown("norm", norm, ("none", "batch"))
    inputs = image_shape("sketch_simplification", input_shape)[0]
    bias = norm == "none"
    layers: list[nn.Module] = []
    for (kernel, stride), full_width in TABLE:
        maps = scaled(full_width, width)
        if stride < 1:
            layers.append(nn.ConvTranspose2d(inputs, maps, kernel, stride=2, padding=1, bias=bias))
        else:
            layers.append(nn.Conv2d(inputs, maps, kernel, int(stride), kernel // 2, bias=bias))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(maps))
        layers.append(nn.ReLU())
        inputs = maps
    last = nn.Conv2d(inputs, num_classes, 3, padding=1)
    return AnySide(nn.Sequential(*layers, last, nn.Sigmoid()), 8)
