"""How to increase the resolution again, by name (slide "Up-sampling": interpolation, padding with zeros, transposed convolutions)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError, unknown

UPSAMPLINGS = ("nearest", "bilinear", "zero_insertion", "transposed", "pixel_shuffle")


def insert_zeros(x: Tensor, factor: int) -> Tensor:
    """y[s i, s j] = x[i, j] and 0 elsewhere, s = `factor`: (B, C, H, W) -> (B, C, s H, s W), each pixel followed by s - 1 zeros."""
    x = F.pad(
        x.unsqueeze(4).unsqueeze(3), (0, factor - 1, 0, 0, 0, factor - 1)
    )  # (B, C, H, s, W, s)
    return x.flatten(4, 5).flatten(2, 3)


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
    """A learned up-sampling, (B, in_channels, H, W) -> (B, out_channels, s H, s W) for s = `factor`, any H and W, k = `kernel`.

    `nearest`, `bilinear`: interpolation, then a k x k convolution (Odena et al. 2016: resize-convolution).
    `zero_insertion`: zeros between the pixels, then a k x k convolution. With the kernel turned by 180 degrees and its channels
    exchanged it is `transposed`: one map written in two ways (Dumoulin & Visin 2016, Section 4).
    `transposed`: a k x k transposed convolution of stride s. Its windows overlap evenly where s divides k; elsewhere they draw a
    checkerboard (Odena et al. 2016, Distill).
    `pixel_shuffle`: a k x k convolution to s^2 out_channels maps, shuffled into s x s pixels (Shi et al. 2016, eq. 4).

    Raises:
        DlgbenchError: for an unknown name; where a transposed window has to be at least as large as its stride, and is not.
    """
    if name not in UPSAMPLINGS:
        raise unknown("up-sampling", name, UPSAMPLINGS)
    if name in ("zero_insertion", "transposed") and (kernel < factor or factor < 2):
        raise DlgbenchError(
            f"up-sampling {name}: 2 <= factor <= kernel is wanted, so that no pixel stays empty; factor {factor}, kernel {kernel} came"
        )
    before, after = (kernel - 1) // 2, kernel // 2
    same = nn.ZeroPad2d((before, after, before, after))
    if name in ("nearest", "bilinear"):
        return nn.Sequential(
            nn.Upsample(scale_factor=factor, mode=name),
            same,
            nn.Conv2d(in_channels, out_channels, kernel),
        )
    if name == "pixel_shuffle":
        return nn.Sequential(
            same, nn.Conv2d(in_channels, out_channels * factor**2, kernel), nn.PixelShuffle(factor)
        )
    cut = (
        (kernel - factor + 1) // 2
    )  # of the s (H - 1) + k pixels of all windows, `cut` are left out before and `cut - rest` after
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
    """The upper left (B, C, H, W) of x, with H and W of `like`."""
    return x[:, :, : like.shape[2], : like.shape[3]]


class AnySide(nn.Module):
    """Lets an image-to-image net that wants sides divisible by `multiple` take any: replicates the right and lower rim, crops the output."""

    def __init__(self, body: nn.Module, multiple: int) -> None:
        super().__init__()
        self.body = body
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        padding = (0, -x.shape[3] % self.multiple, 0, -x.shape[2] % self.multiple)
        return crop(self.body(F.pad(x, padding, mode="replicate")), x)
