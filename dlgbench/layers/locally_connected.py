"""Between fully connected and convolutional: local windows, weights not shared.

Slide "Fully-connected Layer".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError


class LocallyConnected2d(nn.Module):
    """A convolution that has a kernel of its own at each output location p.

    y[o, p] = sum_(c, i, j) w[p, o, c, i, j] x[c, s p + (i, j)] + b[p, o]

    It has H' W' (k^2 C + 1) C' parameters. With equal kernels at all locations it is nn.Conv2d, and
    its initial weights follow nn.Conv2d's distribution. LeCun 1989, "Generalization and network
    design strategies"; Taigman et al. 2014 (DeepFace).

    Shapes: (B, C, H, W) -> (B, C', H', W'), H' = floor((H + padding - k) / s) + 1, where padding
    counts both sides. `weight` is (H' W' C', C, k, k): a row holds one unit's incoming weights.
    `bias` is (H' W' C',). In both the location varies slowest.

    Args:
        in_channels, out_channels: C, C'.
        size: (H, W) of the input, which fixes the number of locations.
        kernel_size, stride: k, s.
        padding: zeros on each side, or `same` for H' = H, as in nn.Conv2d.
        bias: whether there is a b.

    Raises:
        DlgbenchError: for a window larger than the padded input, or `same` with a stride above 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: tuple[int, int],
        kernel_size: int,
        stride: int = 1,
        padding: int | str = 0,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if isinstance(padding, str) and (padding != "same" or stride != 1):
            raise DlgbenchError(
                "LocallyConnected2d: expected padding to be a whole number, or 'same' with "
                f"stride 1, got {padding!r} with stride {stride}"
            )
        left = (kernel_size - 1) // 2 if isinstance(padding, str) else padding
        right = kernel_size - 1 - left if isinstance(padding, str) else padding
        self.margins = (left, right, left, right)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.out_size = tuple((side + left + right - kernel_size) // stride + 1 for side in size)
        if min(self.out_size) < 1:
            raise DlgbenchError(
                "LocallyConnected2d: expected a window within the padded input, "
                f"got kernel_size {kernel_size} for size {tuple(size)} with padding {padding}"
            )
        units = math.prod(self.out_size) * out_channels
        self.weight = nn.Parameter(torch.empty(units, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(units)) if bias else None
        bound = 1 / math.sqrt(in_channels * kernel_size**2)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def kernels(self) -> tuple[Tensor, ...]:
        """The kernel (C', C, k, k) of each location, row by row: views of `weight`."""
        return self.weight.unflatten(0, (-1, self.out_channels)).unbind(0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        padded = F.pad(x, self.margins)
        patches = F.unfold(padded, self.kernel_size, stride=self.stride)  # (B, C k k, H' W')
        weight = self.weight.view(-1, self.out_channels, patches.shape[1])  # (H' W', C', C k k)
        y = torch.einsum("bil,loi->bol", patches, weight)
        if self.bias is not None:
            y = y + self.bias.view(-1, self.out_channels).T
        return y.unflatten(2, self.out_size)

    def extra_repr(self) -> str:
        """What print shows."""
        return (
            f"{self.in_channels}, {self.out_channels}, out_size={self.out_size}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
