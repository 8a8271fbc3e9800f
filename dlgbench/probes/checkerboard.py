"""The checkerboard that transposed convolutions draw (slide "Up-sampling")."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject, to_array


def share(images: Tensor) -> float:
    """Share of the power of images (B, C, H, W) that repeats every two pixels.

    It is sum |F[u, v]|^2 over u = H / 2 or v = W / 2, divided by the same sum over all (u, v) but
    (0, 0). F is the two-dimensional discrete Fourier transform of an image, without the last row or
    column of odd sides; the sums run over images and channels too. A checkerboard has 1, and so
    have stripes of one pixel's width; a smooth image has 0, white noise (H + W - 1) / (H W - 1). A
    constant image has no power, and its share is nan. A checkerboard whose strength changes along
    both rows and columns lies at other frequencies and is not counted.
    """
    height, width = (side - side % 2 for side in images.shape[2:])
    power = torch.fft.fft2(images.double()[..., :height, :width]).abs().square().sum((0, 1))
    power[0, 0] = 0
    fast = power[height // 2].sum() + power[:, width // 2].sum() - power[height // 2, width // 2]
    total = float(power.sum())
    return float(fast) / total if total else math.nan


PICTURES = 2


def spectrum(images: Tensor) -> Tensor:
    """Mean power of images (B, C, H, W) at each frequency, (H, W), with (0, 0) in the middle.

    It is the mean of |F[u, v]|^2 over images and channels, F as for `share`; 0 at (0, 0). What
    repeats every two pixels lies in the first row and the first column where sides are even.
    """
    power = torch.fft.fft2(images.double()).abs().square().mean((0, 1))
    power[0, 0] = 0
    return torch.fft.fftshift(power)


def at_start(subject: Subject) -> Measurement:
    """`checkerboard` of the untrained network, under names of its own."""
    now = checkerboard(subject)
    arrays = {
        f"checkerboard_start/{name.partition('/')[2]}": array for name, array in now.arrays.items()
    }
    return Measurement({"checkerboard_start": now.metrics["checkerboard"]}, arrays=arrays)


@torch.no_grad()
def checkerboard(subject: Subject) -> Measurement:
    """`share` of the output on the probe batch, in evaluation mode, and its ratio to the target's.

    Arrays: `checkerboard/image` (2, C, H, W), the first outputs, and `checkerboard/spectrum`
    (H, W), `spectrum` of all of them.

    The ratio is nan where the target is not an image. Windows that do not overlap evenly (stride 2,
    kernel 3) write every second row and column brighter. Odena, Dumoulin & Olah 2016,
    "Deconvolution and checkerboard artifacts", Distill.

    Raises:
        DlgbenchError: for an output other than images (B, C, H, W) with sides of at least 2.
    """
    x, y = subject.data("checkerboard")
    z = subject.network.eval()(x)
    if z.dim() != 4 or min(z.shape[2:]) < 2:
        raise DlgbenchError(
            "probe checkerboard: expected an output of images (B, C, H, W) with sides of at least "
            f"2, got shape {tuple(z.shape)}"
        )
    output = share(z)
    target = share(y) if y.dim() == 4 and y.is_floating_point() else math.nan
    ratio = output / target if target else math.nan
    images = {"image": z[:PICTURES], "spectrum": spectrum(z)}
    arrays = {f"checkerboard/{name}": to_array(image) for name, image in images.items()}
    return Measurement({"checkerboard": output, "checkerboard/ratio": ratio}, arrays=arrays)
