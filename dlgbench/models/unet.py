"""U-Net (slides "Encoder-decoder + Skip connections", "Encoder-decoder with skip connections")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.upsampling import AnySide, upsample
from dlgbench.models import register_model
from dlgbench.models.common import he, image_shape, scaled


class Skip(nn.Module):
    """Checks back with the input: [middle of the encoder's map, up-sampled map], (B, C, H', W') and (B, C, H, W) -> (B, 2C, H, W)."""

    def forward(self, up: Tensor, encoded: Tensor) -> Tensor:
        """Beside the up-sampled map, the encoder's of the same resolution, cropped where it is larger."""
        top, left = (encoded.shape[2] - up.shape[2]) // 2, (encoded.shape[3] - up.shape[3]) // 2
        return torch.cat([encoded[:, :, top : top + up.shape[2], left : left + up.shape[3]], up], 1)


class NoSkip(nn.Module):
    """[up-sampled map, up-sampled map]: the shapes of `Skip`, so equal parameters behind it, none of them idle, and nothing of the encoder's."""

    def forward(self, up: Tensor, encoded: Tensor) -> Tensor:  # noqa: ARG002  (called as Skip is)
        """The up-sampled map twice."""
        return torch.cat([up, up], 1)


class UNet(nn.Module):
    """The contracting path, the skips, the expanding path. See `unet`."""

    def __init__(
        self,
        channels: int,
        num_classes: int,
        maps: Sequence[int],
        *,
        padding: int,
        skips: bool,
        upsampling: str,
        norm: str,
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _pair(a, b, padding, norm) for a, b in zip((channels, *maps), maps, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        falling = list(zip(maps[:0:-1], maps[-2::-1], strict=True))
        self.up = nn.ModuleList(upsample(upsampling, a, b, kernel=2) for a, b in falling)
        self.skips = nn.ModuleList(Skip() if skips else NoSkip() for _ in falling)
        self.merge = nn.ModuleList(_pair(2 * b, b, padding, norm) for _, b in falling)
        self.head = nn.Conv2d(maps[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, num_classes, H', W')."""
        encoded = []
        for k, pair in enumerate(self.down):
            x = pair(self.pool(x) if k else x)
            encoded.append(x)
        for up, skip, merge, fine in zip(
            self.up, self.skips, self.merge, encoded[-2::-1], strict=True
        ):
            x = merge(skip(up(x), fine))
        return self.head(x)


def _pair(inputs: int, outputs: int, padding: int, norm: str) -> nn.Sequential:
    """Twice: 3x3 convolution, norm, ReLU; weights N(0, 2 / fan_in), biases 0 (the paper's section 3)."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=padding, bias=norm == "none"))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU())
    pair = nn.Sequential(*layers)
    he(pair)
    return pair


def valid_side(side: int, levels: int) -> int:
    """The side of the output without padding: side - 4 (3 * 2^levels - 2), so 572 -> 388 for 4 levels.

    Raises:
        DlgbenchError: where a map to be pooled has an odd side or nothing is left.
    """
    left = side
    for level in range(levels):
        left -= 4
        if left % 2 or left < 2:
            raise DlgbenchError(
                f"unet, padding valid: each map to be pooled wants an even side; side {side} leaves {left} at level {level}"
            )
        left //= 2
    left -= 4
    for _ in range(levels):
        left = 2 * left - 4
    if left < 1:
        raise DlgbenchError(
            f"unet, padding valid: side {side} leaves nothing after {levels} levels"
        )
    return left


@register_model(
    "unet",
    family="U-Net",
    year=2015,
    paper="Ronneberger, Fischer & Brox 2015, MICCAI, Figure 1",
    task="segmentation",
    proof="tests/models/test_unet.py::test_parameters_by_hand_and_as_published",
)
def unet(
    input_shape: Sequence[int] = (1, 572, 572),
    num_classes: int = 2,
    *,
    padding: str = "same",
    skips: bool = True,
    upsampling: str = "transposed",
    norm: str = "none",
    levels: int = 4,
    width: float = 1.0,
) -> nn.Module:
    """Down: twice conv 3x3 and ReLU, then 2x2 max-pooling, maps doubled; up: 2x2 up-convolution, maps halved, the skip, twice conv 3x3 and ReLU; conv 1x1.

    Shapes: with `valid` (B, 1, 572, 572) -> (B, 64, 568, 568) -> (B, 128, 280, 280) -> (B, 256, 136, 136) -> (B, 512, 64, 64) -> (B, 1024, 28, 28)
    -> (B, 512, 52, 52) -> (B, 256, 100, 100) -> (B, 128, 196, 196) -> (B, 64, 388, 388) -> (B, num_classes, 388, 388).
    With `same` (B, C, H, W) -> (B, num_classes, H, W) for any sides: padded to multiples of 2^levels, cropped at last. 31,030,658 parameters in both.

    The paper's dropout at the end of the contracting path is left out.

    Args:
        input_shape, num_classes: shapes of an image and number of maps of the output.
        padding: `same`, or `valid`, the paper's, for which all sides to be pooled have to be even.
        skips: without them the up-sampled map stands in for the encoder's (`NoSkip`), so that all shapes and parameters stay.
        upsampling: a name of `dlgbench.layers.upsampling`, with 2x2 kernels.
        norm: `none`, or `batch` after each 3x3 convolution, which then has no bias.
        levels: how many times the resolution is halved.
        width: scales the numbers of maps, 64 ... 64 * 2^levels.

    Raises:
        DlgbenchError: for an unknown padding, norm or up-sampling; for a shape other than (C, H, W), or one that does not fit without padding.
    """
    if padding not in ("same", "valid"):
        raise unknown("padding", padding, ("same", "valid"))
    if norm not in ("none", "batch"):
        raise unknown("norm", norm, ("none", "batch"))
    channels, *sides = image_shape("unet", input_shape)
    maps = [scaled(64 * 2**level, width) for level in range(levels + 1)]
    same = padding == "same"
    network = UNet(
        channels,
        num_classes,
        maps,
        padding=int(same),
        skips=skips,
        upsampling=upsampling,
        norm=norm,
    )
    if same:
        return AnySide(network, 2**levels)
    for side in sides:
        valid_side(side, levels)
    return network
