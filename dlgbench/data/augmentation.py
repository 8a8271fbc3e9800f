"""Augmentation on the device, a minibatch at once: from x (B, C, H, W) to x of the same shape."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

PAD = 4
AUGMENTATIONS = ("none", "crop", "crop_flip")


def crop(x: Tensor, top: Tensor, left: Tensor, flip: Tensor, pad: int = PAD) -> Tensor:
    """Pads images by `pad` zeros, cuts (H, W) out again at another place, and mirrors some of them.

    He et al. 2016, section 4.2. One gather does it for the minibatch, with j' = W - 1 - j where an
    image is mirrored, else j:

        out[b, c, i, j] = padded[b, c, top[b] + i, left[b] + j']

    Args:
        x: images (B, C, H, W).
        top, left: (B,) whole numbers in 0 ... 2 pad.
        flip: (B,) booleans.
    """
    batch, channels, height, width = x.shape
    padded = F.pad(x, (pad,) * 4)
    rows = top[:, None] + torch.arange(height, device=x.device)
    across = torch.arange(width, device=x.device).expand(batch, width)
    columns = left[:, None] + torch.where(flip[:, None], width - 1 - across, across)
    image = torch.arange(batch, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def augmentation(name: str, random: torch.Generator) -> Callable[[Tensor], Tensor] | None:
    """The augmentation of minibatches by name, which draws from `random`.

    `none`; `crop`: pad by 4 and cut at a random place; `crop_flip`: mirror half of them too.
    """
    if name == "none":
        return None

    def augment(x: Tensor) -> Tensor:
        top, left = torch.randint(0, 2 * PAD + 1, (2, len(x)), generator=random).to(x.device)
        flip = torch.rand(len(x), generator=random) < 0.5 * (name == "crop_flip")
        return crop(x, top, left, flip.to(x.device))

    return augment
