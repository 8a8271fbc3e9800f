"""The linear layer.

Slides "Linear Layer in Forward Mode: All For One", "... in Backward Mode: One From All",
"... Parameters in Backward: 1-to-1". The letters are the slides': z_h are the H inputs, b_m the M
outputs, w_(h,m) the weights; i counts the examples of a batch. A bias is the weight of an input
that is always 1, as on the slide "Nonlinear mapping": x = (x_1, x_2, 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError


def linear(z: Tensor, w: Tensor) -> Tensor:
    """b_m = sum_h z_h w_(h,m): all for one.

    Shapes: (B, H), (H, M) -> (B, M). torch's nn.Linear keeps w transposed.

    Raises:
        DlgbenchError: where z and w do not agree in H.
    """
    if z.ndim != 2 or w.ndim != 2 or z.shape[1] != w.shape[0]:
        raise DlgbenchError(
            "linear: expected z of shape (B, H) and w of shape (H, M), "
            f"got {tuple(z.shape)} and {tuple(w.shape)}"
        )
    return torch.einsum("ih,hm->im", z, w)


def linear_backward(d_b: Tensor, z: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """(d_z, d_w), the gradients of z and w.

    One from all: dL/dz_h = sum_c dL/db_c w_(h,c).
    One to one: dL/dw_(h,m) = dL/db_m z_h, summed over the examples.

    Shapes: (B, M), (B, H), (H, M) -> (B, H), (H, M).
    """
    return torch.einsum("ic,hc->ih", d_b, w), torch.einsum("im,ih->hm", d_b, z)


def with_one(x: Tensor) -> Tensor:
    """(x_1, ..., x_H, 1), so that the last row of w is the bias. Shapes: (B, H) -> (B, H + 1)."""
    return torch.cat([x, x.new_ones(len(x), 1)], dim=1)
