"""Convolution as a banded matrix, by loops, and transposed (slides "Convolutional layer", "Atrous convolution", "Up-sampling").

As in every framework the kernel is not flipped. No bias. x (B, C, H, W); w (O, C, KH, KW) for O output channels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from dlgbench.errors import DlgbenchError


def out_side(side: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """floor((side + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Raises:
        DlgbenchError: where the kernel does not fit in.
    """
    room = side + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise DlgbenchError(
            f"convolution: a kernel no wider than {side} + 2 x {padding} is wanted; {kernel} at dilation {dilation} came"
        )
    return room // stride + 1


def convolution_matrix(
    w: Tensor, height: int, width: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """The matrix M with vec(y) = M vec(x). Row (o, i, j), column (c, h, v) holds w_(o,c,a,b) where h = i s - p + a d and v = j s - p + b d, else 0.

    In one dimension each row is the one above it, shifted by the stride, as on the slide; in two, M is doubly block Toeplitz.

    Shapes: (O, C, KH, KW) -> (O H' W', C H W).
    """
    outputs, channels, kernel_height, kernel_width = w.shape
    rows = out_side(height, kernel_height, stride, padding, dilation)
    columns = out_side(width, kernel_width, stride, padding, dilation)
    matrix = w.new_zeros(outputs, rows, columns, channels, height, width)
    for i, j, a, b in itertools.product(
        range(rows), range(columns), range(kernel_height), range(kernel_width)
    ):
        h, v = i * stride - padding + a * dilation, j * stride - padding + b * dilation
        if 0 <= h < height and 0 <= v < width:
            matrix[:, i, j, :, h, v] = w[:, :, a, b]
    return matrix.reshape(outputs * rows * columns, channels * height * width)


def _windows(
    padded: Tensor, w: Tensor, stride: int, dilation: int
) -> Iterator[tuple[int, int, Tensor]]:
    """(i, j, view of what output (i, j) sees: (B, C, KH, KW)) for every i and j."""
    kernel_height, kernel_width = w.shape[2:]
    rows = out_side(padded.shape[2], kernel_height, stride, 0, dilation)
    columns = out_side(padded.shape[3], kernel_width, stride, 0, dilation)
    for i, j in itertools.product(range(rows), range(columns)):
        seen = padded[:, :, i * stride :: dilation, j * stride :: dilation]
        yield i, j, seen[:, :, :kernel_height, :kernel_width]


def convolution(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """y_(o,i,j) = sum_(c,a,b) w_(o,c,a,b) x_(c, i s - p + a d, j s - p + b d), one output after the other.

    Shapes: (B, C, H, W), (O, C, KH, KW) -> (B, O, H', W').

    Raises:
        DlgbenchError: where x and w do not agree in C, or the kernel does not fit in.
    """
    if x.shape[1] != w.shape[1]:
        raise DlgbenchError(
            f"convolution: an input of {w.shape[1]} channels is wanted; {x.shape[1]} came"
        )
    rows, columns = (
        out_side(side, kernel, stride, padding, dilation)
        for side, kernel in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    y = x.new_zeros(len(x), len(w), rows, columns)
    for i, j, seen in _windows(F.pad(x, [padding] * 4), w, stride, dilation):
        y[:, :, i, j] = torch.einsum("ncab,ocab->no", seen, w)
    return y


def convolution_backward(
    d_y: Tensor, x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[Tensor, Tensor]:
    """(d_x, d_w): each output gives its gradient back to the pixels that it saw, and to the weights, which all outputs share.

    Shapes: (B, O, H', W'), (B, C, H, W), (O, C, KH, KW) -> (B, C, H, W), (O, C, KH, KW).
    """
    padded, d_w = F.pad(x, [padding] * 4), torch.zeros_like(w)
    d_padded = torch.zeros_like(padded)
    views = zip(
        _windows(padded, w, stride, dilation), _windows(d_padded, w, stride, dilation), strict=True
    )
    for (i, j, seen), (
        _,
        _,
        d_seen,
    ) in views:  # d_seen is a view: what is added to it is added to d_padded
        d_w += torch.einsum("no,ncab->ocab", d_y[:, :, i, j], seen)
        d_seen.add_(torch.einsum("no,ocab->ncab", d_y[:, :, i, j], w))
    return d_padded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]], d_w


def insert_zeros(x: Tensor, stride: int) -> Tensor:
    """Puts stride - 1 zeros between neighbouring pixels. Shapes: (B, C, H, W) -> (B, C, (H - 1) stride + 1, (W - 1) stride + 1)."""
    batch, channels, height, width = x.shape
    out = x.new_zeros(batch, channels, (height - 1) * stride + 1, (width - 1) * stride + 1)
    out[:, :, ::stride, ::stride] = x
    return out


def transposed(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """Transposed convolution as zero insertion and a convolution with the flipped kernel, its channels swapped.

    Padding is d (K - 1) - p on each side; where that is negative, the rim is cut off.

    Shapes: (B, O, H, W), (O, C, KH, KW) -> (B, C, (H - 1) s - 2 p + d (KH - 1) + 1, ...): w is the convolution's whose transpose this is.
    """
    rim_height, rim_width = (dilation * (kernel - 1) - padding for kernel in w.shape[2:])
    spread = F.pad(insert_zeros(x, stride), [rim_width, rim_width, rim_height, rim_height])
    return convolution(spread, w.flip(2, 3).transpose(0, 1), dilation=dilation)


def transposed_by_matrix(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """The same map as vec(y) = M^T vec(x), for the M of the convolution that takes y's shape to x's. Shapes: as `transposed`."""
    height, width = (
        (side - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
        for side, kernel in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    matrix = convolution_matrix(w, height, width, stride, padding, dilation)
    return (x.flatten(1) @ matrix).reshape(len(x), w.shape[1], height, width)


def transposed_backward(
    d_y: Tensor, x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[Tensor, Tensor]:
    """(d_x, d_w): the transpose's backward is the convolution forward, and x and d_y change places in the gradient of w."""
    d_x = convolution(d_y, w, stride, padding, dilation)
    return d_x, convolution_backward(x, d_y, w, stride, padding, dilation)[1]
