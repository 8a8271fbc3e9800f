"""Pooling by name (slides "Pooling layer", "Pooling layer: receptive field size")."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from dlgbench.errors import DlgbenchError, unknown


class Subsample2d(nn.Sequential):
    """y[p] = x[s p], the first pixel of each window: a convolution followed by it is the convolution of stride s.

    Shapes: (B, C, H, W) -> (B, C, H', W'), H' = floor((H - k) / s) + 1 for windows of k, as every pooling here.
    """

    def __init__(self, window: int, stride: int) -> None:
        super().__init__(
            nn.ZeroPad2d((0, 1 - window, 0, 1 - window)), nn.AvgPool2d(1, stride)
        )  # a negative padding cuts off


class BlurPool2d(nn.Sequential):
    """y[p] = sum_d h[d] x[s p + d], h the binomial filter, (1, 2, 1) / 4 in each direction for 3 taps: low-pass, then every s-th pixel.

    Zhang 2019, "Making convolutional networks shift-invariant again", ICML, section 3.2. The binomial filter is n - 1 averages over two
    neighbours. The edge pixel is repeated outside, so a constant image stays constant, and a map of a single pixel can be blurred.

    Shapes: (B, C, H, W) -> (B, C, H', W'), H' = floor((H - 1) / s) + 1.

    Args:
        stride: s.
        taps: n, the filter's length, at least 2.
    """

    def __init__(self, stride: int, taps: int = 3) -> None:
        before, after = (taps - 1) // 2, taps // 2
        blurs = [nn.AvgPool2d(2, 1) for _ in range(taps - 2)]
        super().__init__(
            nn.ReplicationPad2d((before, after, before, after)), *blurs, nn.AvgPool2d(2, stride)
        )


# Each is a function of the window k and the stride s, and gives floor((H - k) / s) + 1 rows.
POOLINGS: dict[str, Callable[[int, int], nn.Module]] = {
    "max": nn.MaxPool2d,
    "average": nn.AvgPool2d,
    "subsample": Subsample2d,  # stride without pooling
    "blur": lambda window, stride: nn.Sequential(
        nn.MaxPool2d(window, 1), BlurPool2d(stride)
    ),  # max-pooling without aliasing
}


def pool(name: str, window: int, stride: int | None = None) -> nn.Module:
    """A pooling of `window` x `window` pixels by name, (B, C, H, W) -> (B, C, H', W') with H' = floor((H - window) / stride) + 1.

    All names give the same shape, and none has parameters. The stride is the window where it is not given.

    Raises:
        DlgbenchError: for a name that is not in `POOLINGS`, or a window or stride below 1.
    """
    if name not in POOLINGS:
        raise unknown("pooling", name, POOLINGS)
    stride = window if stride is None else stride
    if min(window, stride) < 1:
        raise DlgbenchError(
            f"pooling {name}: window and stride of at least 1 are wanted; {window} and {stride} came"
        )
    return POOLINGS[name](window, stride)
