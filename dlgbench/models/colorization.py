"""The colorization network (slide "Code example: Colorization Network")."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dlgbench.layers.upsampling import AnySide
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model


@register_model(
    "colorization",
    family="Encoder-decoder",
    year=2018,
    paper="Mitra et al. 2018, the course's notebook colorization.ipynb; "
    "after Iizuka et al. 2016, SIGGRAPH",
    task="image_to_image",
    proof="tests/models/test_colorization.py::test_parameters_are_the_notebooks",
)
def colorization(
    input_shape: Sequence[int] = (1, 32, 32), num_classes: int = 2, *, width: float = 1.0
) -> AnySide:
    """The colour (a, b) of each pixel from its lightness L, by an encoder and a decoder.

    Three 4x4 convolutions of stride 2, three 3x3 convolutions at 1/8 of the resolution, and three
    4x4 transposed convolutions of stride 2. Batch normalization and ReLU follow each but the last.

    Shapes: (B, 1, 32, 32) -> (B, 32, 16, 16) -> (B, 64, 8, 8) -> four times (B, 128, 4, 4)
    -> (B, 64, 8, 8) -> (B, 32, 16, 16) -> (B, 2, 32, 32). Any sides.

    There are 772,994 parameters: the notebook's 773,698 without the 704 biases that batch
    normalization would subtract again. Kernels of 4 with strides of 2 overlap evenly, so that they
    draw no checkerboard (Odena et al. 2016).

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    inputs = image_shape("colorization", input_shape)[0]
    a, b, c = (scaled(maps, width) for maps in (32, 64, 128))
    layers: list[nn.Module] = []
    for maps in (a, b, c):
        down = nn.Conv2d(inputs, maps, 4, stride=2, padding=1, bias=False)
        layers += [down, nn.BatchNorm2d(maps), nn.ReLU()]
        inputs = maps
    for _ in range(3):
        layers += [nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU()]
    for maps in (b, a):
        up = nn.ConvTranspose2d(inputs, maps, 4, stride=2, padding=1, bias=False)
        layers += [up, nn.BatchNorm2d(maps), nn.ReLU()]
        inputs = maps
    last = nn.ConvTranspose2d(a, num_classes, 4, stride=2, padding=1)
    return AnySide(nn.Sequential(*layers, last), 8)
