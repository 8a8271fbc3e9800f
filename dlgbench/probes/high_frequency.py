"""What a network does to fine detail, by frequency.

Slide "Encoder-decoder with skip connections": "check back with the input to preserve details".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject

BANDS = 8  # of equal width, from 0 to the Nyquist frequency
ROWS = 250  # that pass through the network at once


def bands(images: Tensor) -> Tensor:
    """Power of images (B, C, H, W) in `BANDS` radial bands of frequency, (BANDS,) of float64.

    It is sum |F[u, v]|^2 over the frequencies of a band, the images and the channels, where F is
    the two-dimensional discrete Fourier transform of an image less its mean, times a Hann window;
    without the window what jumps at the edges would look like detail. The radius of (u, v) is
    sqrt((u / H)^2 + (v / W)^2) in cycles per pixel; band k holds those from k / 16 to (k + 1) / 16,
    and the last also the corners beyond 1 / 2, the Nyquist frequency.
    """
    height, width = images.shape[2:]
    x = images.double()
    window = torch.outer(
        *(torch.hann_window(side, dtype=x.dtype, device=x.device) for side in (height, width))
    )
    x = (x - x.mean((2, 3), keepdim=True)) * window
    power = torch.fft.fft2(x).abs().square().sum((0, 1))
    rows, columns = (
        torch.fft.fftfreq(side, dtype=x.dtype, device=x.device) for side in (height, width)
    )
    radius = torch.hypot(rows[:, None], columns)
    band = (2 * BANDS * radius).long().clamp(max=BANDS - 1)
    return torch.bincount(band.flatten(), weights=power.flatten(), minlength=BANDS)


@torch.no_grad()
def high_frequency(subject: Subject) -> Measurement:
    """Power of the error z - y over that of the target y, on the test split, by band of frequency.

    0 where the output has the target's detail, 1 where it has none, more where it adds false
    detail. `high_frequency/error` is the ratio of the two above half the Nyquist frequency, the
    curve `high_frequency/by_band` that of each band (`bands`); nan where the target has no power.

    Raises:
        DlgbenchError: for outputs and targets other than images of one shape (B, C, H, W).
    """
    x, y = subject.data("high_frequency")
    network = subject.network.eval()
    z = torch.cat([network(rows) for rows in x.split(ROWS)])
    if z.dim() != 4 or z.shape != y.shape:
        raise DlgbenchError(
            "probe high_frequency: expected outputs and targets of one shape (B, C, H, W), got "
            f"{tuple(z.shape)} and {tuple(y.shape)}"
        )
    error, target = bands(z - y), bands(y)
    ratios = [_ratio(*pair) for pair in zip(error.tolist(), target.tolist(), strict=True)]
    high = _ratio(float(error[BANDS // 2 :].sum()), float(target[BANDS // 2 :].sum()))
    return Measurement({"high_frequency/error": high}, {"high_frequency/by_band": ratios})


def _ratio(error: float, target: float) -> float:
    return error / target if target else math.nan
