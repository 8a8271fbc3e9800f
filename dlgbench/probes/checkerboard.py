"""The checkerboard that transposed convolutions draw (slide "Up-sampling")."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Figures, Subject


def share(images: Tensor) -> float:
    """Share of the power of images (B, C, H, W) that repeats every two pixels: sum |F[u, v]|^2 over u = H / 2 or v = W / 2, over that over all but (0, 0).

    F is the two-dimensional discrete Fourier transform of an image, without the last row or column of odd sides; sums run over images and
    channels too. A checkerboard has 1, and so have stripes of a pixel's width; a smooth image has 0, white noise (H + W - 1) / (H W - 1), a constant
    image, which has no power, nan. A checkerboard whose strength changes along rows and columns at once falls beside these frequencies.
    """
    height, width = (side - side % 2 for side in images.shape[2:])
    power = torch.fft.fft2(images.double()[..., :height, :width]).abs().square().sum((0, 1))
    power[0, 0] = 0
    fast = power[height // 2].sum() + power[:, width // 2].sum() - power[height // 2, width // 2]
    total = float(power.sum())
    return float(fast) / total if total else math.nan


@torch.no_grad()
def checkerboard(subject: Subject) -> Figures:
    """`share` of the output on the probe batch, in evaluation mode, and its ratio to the target's, nan where the target is no image.

    Windows that do not overlap evenly (stride 2, kernel 3) write every second row and column brighter. Odena, Dumoulin & Olah 2016,
    "Deconvolution and checkerboard artifacts", Distill.

    Raises:
        DlgbenchError: for an output other than images (B, C, H, W) with sides of at least 2.
    """
    x, y = subject.data("checkerboard")
    z = subject.network.eval()(x)
    if z.dim() != 4 or min(z.shape[2:]) < 2:
        raise DlgbenchError(
            f"probe checkerboard wants an output of images (B, C, H, W); one of shape {tuple(z.shape)} came"
        )
    drawn = share(z)
    wanted = share(y) if y.dim() == 4 and y.is_floating_point() else math.nan
    return {"checkerboard": drawn, "checkerboard/ratio": drawn / wanted if wanted else math.nan}, {}
