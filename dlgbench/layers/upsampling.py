"""Layers that increase the resolution again, by name.

Slide "Up-sampling": interpolation, padding with zeros, transposed convolutions.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError, unknown

UPSAMPLINGS = ("nearest", "bilinear", "zero_insertion", "transposed", "pixel_shuffle")


def insert_zeros(x: Tensor, factor: int) -> Tensor:
    """y[s i, s j] = x[i, j], and 0 elsewhere, with s = `factor`: s - 1 zeros follow each pixel.

    Shapes: (B, C, H, W) -> (B, C, s H, s W).
    """
    pixels = x.unsqueeze(4).unsqueeze(3)  # (B, C, H, 1, W, 1)
    blocks = F.pad(pixels, (0, factor - 1, 0, 0, 0, factor - 1))  # (B, C, H, s, W, s)
    return blocks.flatten(4, 5).flatten(2, 3)


class ZeroInsertion(nn.Module):
    """`insert_zeros` as a layer."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, s H, s W)."""
        return insert_zeros(x, self.factor)


def upsample(
    name: str, in_channels: int, out_channels: int, factor: int = 2, kernel: int = 3
) -> nn.Module:
    """A learned up-sampling by the factor s, with kernels of k x k pixels.

    `nearest`, `bilinear`: interpolation, then a k x k convolution (Odena et al. 2016, who call it
    resize-convolution).
    `zero_insertion`: zeros between the pixels, then a k x k convolution. With the kernel rotated by
    180 degrees and its channels swapped it equals `transposed`: one map written in two ways
    (Dumoulin & Visin 2016, Section 4).
    `transposed`: a k x k transposed convolution of stride s. Its windows overlap evenly where s
    divides k; otherwise they draw a checkerboard (Odena et al. 2016, Distill).
    `pixel_shuffle`: a k x k convolution to s^2 out_channels maps, which are shuffled into blocks of
    s x s pixels (Shi et al. 2016, eq. 4).

    Shapes: (B, in_channels, H, W) -> (B, out_channels, s H, s W), for any H and W.

    Args:
        name: one of `UPSAMPLINGS`.
        in_channels, out_channels: channels of the input and the output.
        factor, kernel: s, k.

    Raises:
        DlgbenchError: for an unknown name; for `zero_insertion` and `transposed` also where
            2 <= factor <= kernel does not hold.
    """
    if name not in UPSAMPLINGS:
        raise unknown("up-sampling", name, UPSAMPLINGS)
    if name in ("zero_insertion", "transposed") and (kernel < factor or factor < 2):
        raise DlgbenchError(
            f"up-sampling {name}: expected 2 <= factor <= kernel, so that no pixel stays empty, "
            f"got factor {factor} and kernel {kernel}"
        )
    before, after = (kernel - 1) // 2, kernel // 2
    same = nn.ZeroPad2d((before, after, before, after))
    if name in ("nearest", "bilinear"):
        interpolation = nn.Upsample(scale_factor=factor, mode=name)
        return nn.Sequential(interpolation, same, nn.Conv2d(in_channels, out_channels, kernel))
    if name == "pixel_shuffle":
        to_blocks = nn.Conv2d(in_channels, out_channels * factor**2, kernel)
        return nn.Sequential(same, to_blocks, nn.PixelShuffle(factor))
    # All windows together cover s (H - 1) + k pixels. To leave s H of them, the first `cut` and the
    # last `cut - rest` are cut off.
    cut = (kernel - factor + 1) // 2
    rest = 2 * cut - (kernel - factor)
    if name == "transposed":
        return nn.ConvTranspose2d(
            in_channels, out_channels, kernel, stride=factor, padding=cut, output_padding=rest
        )
    before = kernel - 1 - cut
    return nn.Sequential(
        ZeroInsertion(factor),
        nn.ZeroPad2d((before, cut, before, cut)),
        nn.Conv2d(in_channels, out_channels, kernel),
    )


def crop(x: Tensor, like: Tensor) -> Tensor:
    """The upper left corner (B, C, H, W) of x, with the H and W of `like`."""
    return x[:, :, : like.shape[2], : like.shape[3]]


class AnySide(nn.Module):
    """Wraps an image-to-image net that needs sides divisible by `multiple`, so that it takes any.

    The right and lower edges of the input are replicated up to the next multiple, and the output is
    cropped to the sides of the input.
    """

    def __init__(self, body: nn.Module, multiple: int) -> None:
        super().__init__()
        self.body = body
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        padding = (0, -x.shape[3] % self.multiple, 0, -x.shape[2] % self.multiple)
        return crop(self.body(F.pad(x, padding, mode="replicate")), x)
