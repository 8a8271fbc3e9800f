"""Pyramids: an image split into bands, from fine to coarse, and put together again without loss.

Slide "Encoder-decoder with skip connections", which calls this a familiar trick. Both pyramids
reconstruct the image exactly at any size. The Laplacian pyramid holds 4/3 times as many numbers as
the image, the Haar pyramid as many as the image.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dlgbench.layers.upsampling import crop, insert_zeros

_SQRT_HALF = 0.5**0.5


def _filter(x: Tensor, stride: int = 1) -> Tensor:
    """sum_mn w_m w_n x[s i + m, s j + n] with w = (1, 4, 6, 4, 1) / 16.

    Each channel is filtered by itself, without padding.
    """
    w = x.new_tensor([1, 4, 6, 4, 1]) / 16
    y = F.conv2d(x.flatten(0, 1).unsqueeze(1), torch.outer(w, w)[None, None], stride=stride)
    return y.reshape(x.shape[0], x.shape[1], y.shape[2], y.shape[3])


def laplacian_reduce(x: Tensor) -> Tensor:
    """REDUCE: G_(l+1)[i, j] = sum_mn w_m w_n G_l[2i + m, 2j + n], m, n = -2 ... 2.

    The edge pixels are replicated outside the image. Burt & Adelson 1983, eq. 1.

    Shapes: (B, C, H, W) -> (B, C, ceil(H/2), ceil(W/2)).
    """
    return _filter(F.pad(x, (2, 2, 2, 2), mode="replicate"), stride=2)


def laplacian_expand(x: Tensor, like: Tensor) -> Tensor:
    """EXPAND: 4 sum_mn w_m w_n G[(i - m)/2, (j - n)/2], to the H and W of `like`.

    The sum is over those m and n for which both indices are whole numbers. Burt & Adelson 1983,
    eq. 2.
    """
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return crop(4 * _filter(insert_zeros(padded, 2)), like)


def laplacian_decompose(x: Tensor, levels: int) -> list[Tensor]:
    """L_l = G_l - EXPAND(G_(l+1)) for l = 0 ... levels - 1, then G_levels.

    These are `levels` + 1 bands; each has half the sides of the one before. Burt & Adelson 1983.
    """
    bands = []
    for _ in range(levels):
        coarse = laplacian_reduce(x)
        bands.append(x - laplacian_expand(coarse, x))
        x = coarse
    return [*bands, x]


def laplacian_reconstruct(bands: list[Tensor]) -> Tensor:
    """G_l = L_l + EXPAND(G_(l+1)), from the coarsest band up.

    The inverse of `laplacian_decompose`.
    """
    *details, x = bands
    for detail in reversed(details):
        x = detail + laplacian_expand(x, detail)
    return x


def _split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Low band (a + b) / sqrt 2 and high band (a - b) / sqrt 2 of neighbours along the last axis.

    Where the number of values is odd, the last one goes to the low band unchanged.
    """
    even, odd = x[..., ::2], x[..., 1::2]
    pairs = even[..., : odd.shape[-1]]
    low = torch.cat([(pairs + odd) * _SQRT_HALF, even[..., odd.shape[-1] :]], -1)
    high = (pairs - odd) * _SQRT_HALF
    return low, high


def _merge(low: Tensor, high: Tensor) -> Tensor:
    """The inverse of `_split`."""
    pairs = low[..., : high.shape[-1]]
    fine = torch.stack([(pairs + high) * _SQRT_HALF, (pairs - high) * _SQRT_HALF], -1).flatten(-2)
    return torch.cat([fine, low[..., high.shape[-1] :]], -1)


def haar_decompose(x: Tensor, levels: int) -> list[Tensor]:
    """The Haar wavelet bands of an image: details of each level, then the approximation.

    From each block [[p, q], [r, s]] of pixels come the horizontal detail (p - q + r - s) / 2, the
    vertical detail (p + q - r - s) / 2, the diagonal detail (p - q - r + s) / 2, and the
    approximation (p + q + r + s) / 2, which is decomposed again at the next level. Haar 1910;
    Mallat 1989.

    There are 3 `levels` + 1 bands. The transform is orthonormal at any size, so energy is kept
    (Parseval), and dropping a band loses exactly the energy of that band. Where a side is odd, the
    last row or column has no partner and goes to the approximation unchanged. With sides of at
    least 2^levels no band is empty.
    """
    bands = []
    for _ in range(levels):
        low, high = _split(x)
        x, vertical = (band.transpose(2, 3) for band in _split(low.transpose(2, 3)))
        horizontal, diagonal = (band.transpose(2, 3) for band in _split(high.transpose(2, 3)))
        bands += [horizontal, vertical, diagonal]
    return [*bands, x]


def haar_reconstruct(bands: list[Tensor]) -> Tensor:
    """The inverse of `haar_decompose`, which is also its transpose."""
    *details, x = bands
    while details:
        *details, horizontal, vertical, diagonal = details
        low = _merge(x.transpose(2, 3), vertical.transpose(2, 3)).transpose(2, 3)
        high = _merge(horizontal.transpose(2, 3), diagonal.transpose(2, 3)).transpose(2, 3)
        x = _merge(low, high)
    return x
