"""The colorization network (slide "Code example: Colorization Network")."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dlgbench.layers.upsampling import AnySide
from dlgbench.models import register_model
from dlgbench.models.common import image_shape, scaled


@register_model(
    "colorization",
    family="Encoder-decoder",
    year=2018,
    paper="Mitra et al. 2018, the course's notebook colorization.ipynb; after Iizuka et al. 2016, SIGGRAPH",
    task="image_to_image",
    proof="tests/models/test_colorization.py::test_parameters_are_the_notebooks",
)
def colorization(
    input_shape: Sequence[int] = (1, 32, 32), num_classes: int = 2, *, width: float = 1.0
) -> AnySide:
    """Lightness L to colour (a, b): 4x4 convolutions of stride 2, 3x3 ones at 1/8 of the resolution, 4x4 transposed ones of stride 2.

    Shapes: (B, 1, 32, 32) -> (B, 32, 16, 16) -> (B, 64, 8, 8) -> three times (B, 128, 4, 4), after the (B, 128, 4, 4) of the third
    stride -> (B, 64, 8, 8) -> (B, 32, 16, 16) -> (B, 2, 32, 32). Each but the last followed by batch normalization and ReLU. Any sides.

    The notebook's 773,698 parameters, less the 704 biases that batch normalization subtracts again: 772,994. Kernels of 4 and strides of 2
    overlap evenly, so no checkerboard (Odena et al. 2016).

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    inputs = image_shape("colorization", input_shape)[0]
    a, b, c = (scaled(maps, width) for maps in (32, 64, 128))
    layers: list[nn.Module] = []
    for maps in (a, b, c):
        layers += [
            nn.Conv2d(inputs, maps, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(maps),
            nn.ReLU(),
        ]
        inputs = maps
    for _ in range(3):
        layers += [nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU()]
    for maps in (b, a):
        layers += [
            nn.ConvTranspose2d(inputs, maps, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(maps),
            nn.ReLU(),
        ]
        inputs = maps
    return AnySide(
        nn.Sequential(*layers, nn.ConvTranspose2d(a, num_classes, 4, stride=2, padding=1)), 8
    )
