"""Pooling by name (slides "Pooling layer", "Pooling layer: receptive field size")."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from dlgbench.errors import DlgbenchError, unknown


class Subsample2d(nn.Sequential):
    """y[p] = x[s p], the first pixel of each window.

    A convolution followed by it is the convolution of stride s.

    Shapes: (B, C, H, W) -> (B, C, H', W'), H' = floor((H - k) / s) + 1 for windows of k, as for
    every pooling here.
    """

    def __init__(self, window: int, stride: int) -> None:
        crop = nn.ZeroPad2d((0, 1 - window, 0, 1 - window))  # negative padding cuts off
        super().__init__(crop, nn.AvgPool2d(1, stride))


class BlurPool2d(nn.Sequential):
    """A low-pass filter, then every s-th pixel: y[p] = sum_d h[d] x[s p + d].

    h is the binomial filter, (1, 2, 1) / 4 in each direction for 3 taps, computed as n - 1 averages
    over two neighbours. Zhang 2019, "Making convolutional networks shift-invariant again", ICML,
    section 3.2. The edge pixel is repeated outside the image, so a constant image stays constant,
    and a map of a single pixel can be blurred.

    Shapes: (B, C, H, W) -> (B, C, H', W'), H' = floor((H - 1) / s) + 1.

    Args:
        stride: s.
        taps: n, the filter's length, at least 2.
    """

    def __init__(self, stride: int, taps: int = 3) -> None:
        before, after = (taps - 1) // 2, taps // 2
        pad = nn.ReplicationPad2d((before, after, before, after))
        blurs = [nn.AvgPool2d(2, 1) for _ in range(taps - 2)]
        super().__init__(pad, *blurs, nn.AvgPool2d(2, stride))


def _max_blur_pool(window: int, stride: int) -> nn.Module:
    """Max-pooling without aliasing: the maximum at every pixel, then `BlurPool2d`."""
    return nn.Sequential(nn.MaxPool2d(window, 1), BlurPool2d(stride))


# Each is a function of the window k and the stride s; its output has floor((H - k) / s) + 1 rows.
POOLINGS: dict[str, Callable[[int, int], nn.Module]] = {
    "max": nn.MaxPool2d,
    "average": nn.AvgPool2d,
    "subsample": Subsample2d,  # stride without pooling
    "blur": _max_blur_pool,
}


def pool(name: str, window: int, stride: int | None = None) -> nn.Module:
    """A new pooling layer by name, over windows of `window` x `window` pixels.

    All names give the same output shape, and none has parameters.

    Shapes: (B, C, H, W) -> (B, C, H', W'), H' = floor((H - window) / stride) + 1.

    Args:
        name: one of `POOLINGS`.
        window: the side of a window, in pixels.
        stride: pixels from one window to the next; None: the window's side.

    Raises:
        DlgbenchError: for a name that is not in `POOLINGS`, or a window or stride below 1.
    """
    if name not in POOLINGS:
        raise unknown("pooling", name, POOLINGS)
    stride = window if stride is None else stride
    if min(window, stride) < 1:
        raise DlgbenchError(
            f"pooling {name}: expected a window and a stride of at least 1, "
            f"got window {window} and stride {stride}"
        )
    return POOLINGS[name](window, stride)
