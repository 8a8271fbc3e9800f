"""Networks that work on the bands of a pyramid.

Slide "Encoder-decoder with skip connections": a familiar trick to graphics people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from dlgbench.layers.pyramids import (
    haar_decompose,
    haar_reconstruct,
    laplacian_decompose,
    laplacian_reconstruct,
)
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.registry import register_model

Decompose = Callable[[Tensor, int], list[Tensor]]
Reconstruct = Callable[[list[Tensor]], Tensor]


class PyramidNet(nn.Module):
    """reconstruct([f_l(band_l)]) over the bands l of an image; each band has its own network f_l.

    Shapes: (B, C, H, W) -> (B, C', H, W).
    """

    def __init__(
        self, decompose: Decompose, reconstruct: Reconstruct, levels: int, bands: nn.ModuleList
    ) -> None:
        super().__init__()
        self.decompose, self.reconstruct = decompose, reconstruct
        self.levels, self.bands = levels, bands

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, num_classes, H, W)."""
        bands = self.decompose(x, self.levels)
        return self.reconstruct([net(band) for net, band in zip(self.bands, bands, strict=True)])


def _nets(number: int, channels: int, num_classes: int, width: float) -> nn.ModuleList:
    """`number` networks: conv 3x3 to 16 maps, ReLU, conv 3x3 to `num_classes` maps."""
    nets = nn.ModuleList()
    for _ in range(number):
        first = nn.Conv2d(channels, scaled(16, width), 3, padding=1)
        he(first)  # its zero bias matters: torch's would exceed the small values of the fine bands
        second = nn.Conv2d(first.out_channels, num_classes, 3, padding=1)
        nets.append(nn.Sequential(first, nn.ReLU(), second))
    return nets


@register_model(
    "laplacian_pyramid",
    family="Pyramids",
    year=1983,
    paper="Burt & Adelson 1983, IEEE Trans. Communications 31",
    task="image_to_image",
    proof="tests/layers/test_pyramids.py::test_both_reconstruct_at_any_size",
)
def laplacian_pyramid(
    input_shape: Sequence[int] = (1, 256, 256),
    num_classes: int = 1,
    *,
    levels: int = 3,
    width: float = 1.0,
) -> PyramidNet:
    """A network on each of the `levels` + 1 bands of the Laplacian pyramid, then reconstruction.

    Each network is conv 3x3 to 16 maps, ReLU, conv 3x3.

    Shapes: (B, C, H, W) -> (B, num_classes, H, W), any sides.

    Raises:
        DlgbenchError: for a shape other than (C, H, W).
    """
    channels = image_shape("laplacian_pyramid", input_shape)[0]
    nets = _nets(levels + 1, channels, num_classes, width)
    return PyramidNet(laplacian_decompose, laplacian_reconstruct, levels, nets)


@register_model(
    "haar_pyramid",
    family="Pyramids",
    year=1989,
    paper="Mallat 1989, IEEE PAMI 11; Haar 1910, Math. Annalen 69",
    task="image_to_image",
    proof="tests/layers/test_pyramids.py::test_both_reconstruct_at_any_size",
)
def haar_pyramid(
    input_shape: Sequence[int] = (1, 256, 256),
    num_classes: int = 1,
    *,
    levels: int = 3,
    width: float = 1.0,
) -> PyramidNet:
    """A network on each of the 3 `levels` + 1 bands of the Haar wavelets, then reconstruction.

    Each network is conv 3x3 to 16 maps, ReLU, conv 3x3.

    Shapes: (B, C, H, W) -> (B, num_classes, H, W).

    Raises:
        DlgbenchError: for a shape other than (C, H, W) with sides of at least 2^levels.
    """
    channels = image_shape("haar_pyramid", input_shape, least=2**levels)[0]
    nets = _nets(3 * levels + 1, channels, num_classes, width)
    return PyramidNet(haar_decompose, haar_reconstruct, levels, nets)
