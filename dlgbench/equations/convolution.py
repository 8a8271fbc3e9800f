"""Convolution as a banded matrix, as loops, and transposed.

Slides "Convolutional layer", "Atrous convolution", "Up-sampling". As in every framework the kernel
is not flipped. There is no bias. x is (B, C, H, W); w is (O, C, KH, KW) for O output channels.
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
        DlgbenchError: where the kernel is wider than the padded input.
    """
    room = side + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise DlgbenchError(
            f"convolution: expected a kernel no wider than {side} + 2 x {padding}, "
            f"got {kernel} at dilation {dilation}"
        )
    return room // stride + 1


def convolution_matrix(
    w: Tensor, height: int, width: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """The matrix M with vec(y) = M vec(x).

    Its entry in row (o, i, j) and column (c, h, v) is w_(o,c,a,b) where h = i s - p + a d and
    v = j s - p + b d, else 0. In one dimension each row is the row above, shifted by the stride, as
    on the slide; in two dimensions M is doubly block Toeplitz.

    Shapes: (O, C, KH, KW) -> (O H' W', C H W).
    """
    outputs, channels, kernel_height, kernel_width = w.shape
    rows = out_side(height, kernel_height, stride, padding, dilation)
    columns = out_side(width, kernel_width, stride, padding, dilation)
    matrix = w.new_zeros(outputs, rows, columns, channels, height, width)
    sizes = (rows, columns, kernel_height, kernel_width)
    for i, j, a, b in itertools.product(*map(range, sizes)):
        h, v = i * stride - padding + a * dilation, j * stride - padding + b * dilation
        if 0 <= h < height and 0 <= v < width:
            matrix[:, i, j, :, h, v] = w[:, :, a, b]
    return matrix.reshape(outputs * rows * columns, channels * height * width)


def _windows(
    padded: Tensor, w: Tensor, stride: int, dilation: int
) -> Iterator[tuple[int, int, Tensor]]:
    """(i, j, window) for every output (i, j): a view (B, C, KH, KW) of the pixels that it sees."""
    kernel_height, kernel_width = w.shape[2:]
    rows = out_side(padded.shape[2], kernel_height, stride, 0, dilation)
    columns = out_side(padded.shape[3], kernel_width, stride, 0, dilation)
    for i, j in itertools.product(range(rows), range(columns)):
        below = padded[:, :, i * stride :: dilation, j * stride :: dilation]
        yield i, j, below[:, :, :kernel_height, :kernel_width]


def convolution(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """y_(o,i,j) = sum_(c,a,b) w_(o,c,a,b) x_(c, i s - p + a d, j s - p + b d).

    One output (i, j) is computed after the other.

    Shapes: (B, C, H, W), (O, C, KH, KW) -> (B, O, H', W').

    Raises:
        DlgbenchError: where x and w differ in C, or the kernel is wider than the padded input.
    """
    if x.shape[1] != w.shape[1]:
        raise DlgbenchError(
            f"convolution: expected an input of {w.shape[1]} channels, got {x.shape[1]}"
        )
    rows, columns = (
        out_side(side, kernel, stride, padding, dilation)
        for side, kernel in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    y = x.new_zeros(len(x), len(w), rows, columns)
    for i, j, window in _windows(F.pad(x, [padding] * 4), w, stride, dilation):
        y[:, :, i, j] = torch.einsum("ncab,ocab->no", window, w)
    return y


def convolution_backward(
    d_y: Tensor, x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[Tensor, Tensor]:
    """(d_x, d_w), the gradients of x and w.

    Each output passes its gradient back to the pixels that it saw, and to the weights, which all
    outputs share.

    Shapes: (B, O, H', W'), (B, C, H, W), (O, C, KH, KW) -> (B, C, H, W), (O, C, KH, KW).
    """
    padded, d_w = F.pad(x, [padding] * 4), torch.zeros_like(w)
    d_padded = torch.zeros_like(padded)
    windows = _windows(padded, w, stride, dilation)
    d_windows = _windows(d_padded, w, stride, dilation)  # views: adding to one adds to d_padded
    for (i, j, window), (_, _, d_window) in zip(windows, d_windows, strict=True):
        d_w += torch.einsum("no,ncab->ocab", d_y[:, :, i, j], window)
        d_window.add_(torch.einsum("no,ocab->ncab", d_y[:, :, i, j], w))
    return d_padded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]], d_w


def insert_zeros(x: Tensor, stride: int) -> Tensor:
    """Puts stride - 1 zeros between neighbouring pixels.

    Shapes: (B, C, H, W) -> (B, C, (H - 1) stride + 1, (W - 1) stride + 1).
    """
    batch, channels, height, width = x.shape
    out = x.new_zeros(batch, channels, (height - 1) * stride + 1, (width - 1) * stride + 1)
    out[:, :, ::stride, ::stride] = x
    return out


def transposed(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """Transposed convolution: zero insertion, then a convolution with the flipped kernel.

    The channels of the kernel are swapped, too. The padding is d (K - 1) - p on each side; where
    that is negative, rows and columns are cut off. w is the kernel of the convolution whose
    transpose this is.

    Shapes: (B, O, H, W), (O, C, KH, KW) -> (B, C, (H - 1) s - 2 p + d (KH - 1) + 1, ...).
    """
    margin_height, margin_width = (dilation * (kernel - 1) - padding for kernel in w.shape[2:])
    margins = [margin_width, margin_width, margin_height, margin_height]
    spread = F.pad(insert_zeros(x, stride), margins)
    return convolution(spread, w.flip(2, 3).transpose(0, 1), dilation=dilation)


def transposed_by_matrix(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """The same map as vec(y) = M^T vec(x).

    M is the matrix of the convolution that maps y's shape to x's.

    Shapes: as for `transposed`.
    """
    height, width = (
        (side - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
        for side, kernel in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    matrix = convolution_matrix(w, height, width, stride, padding, dilation)
    return (x.flatten(1) @ matrix).reshape(len(x), w.shape[1], height, width)


def transposed_backward(
    d_y: Tensor, x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[Tensor, Tensor]:
    """(d_x, d_w), the gradients of x and w.

    The gradient of x is a convolution of d_y. The gradient of w is that of a convolution in which x
    and d_y have swapped roles.

    Shapes: (B, C, H', W'), (B, O, H, W), (O, C, KH, KW) -> (B, O, H, W), (O, C, KH, KW).
    """
    d_x = convolution(d_y, w, stride, padding, dilation)
    return d_x, convolution_backward(x, d_y, w, stride, padding, dilation)[1]
