"""U-Net.

Slides "Encoder-decoder + Skip connections", "Encoder-decoder with skip connections".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.draws import Draws
from dlgbench.layers.upsampling import AnySide, upsample
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.registry import register_model


class Skip(nn.Module):
    """[middle of the encoder's map, up-sampled map]: the decoder sees the fine map again.

    Shapes: the up-sampled map (B, C, H, W) and the encoder's (B, C, H', W') -> (B, 2C, H, W).
    """

    def forward(self, up: Tensor, encoded: Tensor) -> Tensor:
        """Both maps, the encoder's cropped to the size of the other where it is larger."""
        height, width = up.shape[2:]
        top, left = (encoded.shape[2] - height) // 2, (encoded.shape[3] - width) // 2
        return torch.cat([encoded[:, :, top : top + height, left : left + width], up], 1)


class NoSkip(nn.Module):
    """[up-sampled map, up-sampled map]: the shapes of `Skip` without the encoder's map.

    So the layer behind it has the same parameters, and all of them are used.
    """

    def forward(self, up: Tensor, encoded: Tensor) -> Tensor:  # noqa: ARG002  (called like Skip)
        """The up-sampled map twice."""
        return torch.cat([up, up], 1)


class NoiseSkip(nn.Module):
    """[N(0, 1), up-sampled map]: a sabotage of `Skip`, which tells the decoder nothing.

    The noise is drawn anew in each pass, in evaluation too.
    """

    draws: Draws | None = None

    def forward(self, up: Tensor, encoded: Tensor) -> Tensor:  # noqa: ARG002  (called like Skip)
        """Noise in the place of the encoder's map."""
        noise = self.draws.normal(up.shape, up)[0] if self.draws else torch.randn_like(up)
        return torch.cat([noise, up], 1)


SKIPS = {True: Skip, False: NoSkip, "noise": NoiseSkip}


class UNet(nn.Module):
    """The contracting path, the skips, the expanding path; see `unet`."""

    def __init__(
        self,
        channels: int,
        num_classes: int,
        maps: Sequence[int],
        *,
        padding: int,
        skips: bool | str,
        upsampling: str,
        norm: str,
    ) -> None:
        super().__init__()
        rising = zip((channels, *maps), maps, strict=False)
        self.down = nn.ModuleList(_pair(a, b, padding, norm) for a, b in rising)
        self.pool = nn.MaxPool2d(2)
        falling = list(zip(maps[:0:-1], maps[-2::-1], strict=True))
        self.up = nn.ModuleList(upsample(upsampling, a, b, kernel=2) for a, b in falling)
        self.skips = nn.ModuleList(SKIPS[skips]() for _ in falling)
        self.merge = nn.ModuleList(_pair(2 * b, b, padding, norm) for _, b in falling)
        self.head = nn.Conv2d(maps[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, num_classes, H', W')."""
        encoded = []
        for k, pair in enumerate(self.down):
            x = pair(self.pool(x) if k else x)
            encoded.append(x)
        steps = zip(self.up, self.skips, self.merge, encoded[-2::-1], strict=True)
        for up, skip, merge, fine in steps:
            x = merge(skip(up(x), fine))
        return self.head(x)


def _pair(inputs: int, outputs: int, padding: int, norm: str) -> nn.Sequential:
    """Twice 3x3 convolution, norm, ReLU.

    Initially the weights are N(0, 2 / fan_in) (the paper's section 3) and the biases 0.
    """
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
    """The side of the output without padding: side - 4 (3 * 2^levels - 2).

    For 4 levels 572 becomes 388.

    Raises:
        DlgbenchError: where a map to be pooled has an odd side or nothing is left.
    """
    left = side
    for level in range(levels):
        left -= 4
        if left % 2 or left < 2:
            raise DlgbenchError(
                "model unet: padding valid: expected maps with even sides before each pooling, "
                f"got side {left} at level {level} from an image of side {side}"
            )
        left //= 2
    left -= 4
    for _ in range(levels):
        left = 2 * left - 4
    if left < 1:
        raise DlgbenchError(
            "model unet: padding valid: expected an image that leaves an output of at least one "
            f"pixel after {levels} levels, got side {side}"
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
    skips: bool | str = True,
    upsampling: str = "transposed",
    norm: str = "none",
    levels: int = 4,
    width: float = 1.0,
) -> nn.Module:
    """U-Net, with 31,030,658 parameters.

    On the way down each level is twice conv 3x3 with ReLU, then 2x2 max-pooling; the number of maps
    doubles. On the way up each level is a 2x2 up-convolution that halves the number of maps, the
    skip, and twice conv 3x3 with ReLU. A 1x1 convolution gives the output. The paper's dropout at
    the end of the contracting path is left out.

    Shapes: with `valid` (B, 1, 572, 572) -> (B, 64, 568, 568) -> (B, 128, 280, 280)
    -> (B, 256, 136, 136) -> (B, 512, 64, 64) -> (B, 1024, 28, 28) -> (B, 512, 52, 52)
    -> (B, 256, 100, 100) -> (B, 128, 196, 196) -> (B, 64, 388, 388) -> (B, num_classes, 388, 388).
    With `same` (B, C, H, W) -> (B, num_classes, H, W) for any sides: images are padded to multiples
    of 2^levels, and the output is cropped.

    Args:
        input_shape, num_classes: shapes of an image and number of maps of the output.
        padding: `same`, or `valid`, the paper's, for which every map to be pooled needs even sides.
        skips: without them the up-sampled map replaces the encoder's (`NoSkip`), so that all shapes
            and parameters stay; with `noise` noise replaces it (`NoiseSkip`), a sabotage.
        upsampling: a name of `dlgbench.layers.upsampling`, with 2x2 kernels.
        norm: `none`, or `batch` after each 3x3 convolution, which then has no bias.
        levels: how many times the resolution is halved.
        width: scales the numbers of maps, 64 ... 64 * 2^levels.

    Raises:
        DlgbenchError: for unknown padding, skips, norm or up-sampling; for a shape other than
            (C, H, W), or one that does not fit without padding.
    """
    if padding not in ("same", "valid"):
        raise unknown("padding", padding, ("same", "valid"))
    if skips not in SKIPS:
        raise unknown("kind of skips", skips, map(str, SKIPS))
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
