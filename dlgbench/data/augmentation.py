"""Augmentation on the device, a whole minibatch at once: x (B, C, H, W) in, x of the same shape out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

PAD = 4
AUGMENTATIONS = ("none", "crop", "crop_flip")


def crop(x: Tensor, top: Tensor, left: Tensor, flip: Tensor, pad: int = PAD) -> Tensor:
    """Pads each image by `pad` zeros, cuts (H, W) out at its own (top, left) in 0 ... 2 pad, and mirrors it where `flip`.

    He et al. 2016, section 4.2. One gather for the minibatch: out[b, c, i, j] = padded[b, c, top_b + i, left_b + j'], j' = W - 1 - j where flipped.
    """
    batch, channels, height, width = x.shape
    padded = F.pad(x, (pad,) * 4)
    rows = top[:, None] + torch.arange(height, device=x.device)
    across = torch.arange(width, device=x.device).expand(batch, width)
    columns = left[:, None] + torch.where(flip[:, None], width - 1 - across, across)
    image, channel = torch.arange(batch, device=x.device), torch.arange(channels, device=x.device)
    return padded[
        image[:, None, None, None],
        channel[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def augmentation(name: str, random: torch.Generator) -> Callable[[Tensor], Tensor] | None:
    """The augmentation by name, drawing from `random`: `crop` (pad 4, cut at random), `crop_flip` (and mirror half of them), `none`."""
    if name == "none":
        return None

    def augment(x: Tensor) -> Tensor:
        top, left = torch.randint(0, 2 * PAD + 1, (2, len(x)), generator=random).to(x.device)
        flip = torch.rand(len(x), generator=random) < 0.5 * (name == "crop_flip")
        return crop(x, top, left, flip.to(x.device))

    return augment
