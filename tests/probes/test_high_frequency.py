import math

import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.high_frequency import BANDS, bands, high_frequency
from dlgbench.probes.subject import Subject

ROW, COLUMN = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")


def wave(across, along):
    """An image (1, 1, 32, 32) of so many waves in each direction."""
    return torch.cos(2 * math.pi * (across * COLUMN + along * ROW) / 32)[None, None]


def measured(network, x, y):
    return high_frequency(Subject(network, (1, 32, 32), (x, y)))


def test_bands_are_those_of_the_fourier_matrix():
    x = np.random.default_rng(0).normal(3, 1, size=(2, 3, 6, 10))
    expected = np.zeros(BANDS)
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in (6, 10)
    )
    hann = [np.sin(np.pi * np.arange(n) / n) ** 2 for n in (6, 10)]
    for image in x.reshape(6, 6, 10):
        power = np.abs(rows @ ((image - image.mean()) * np.outer(*hann)) @ columns) ** 2
        for u in range(6):
            for v in range(10):
                radius = math.hypot(min(u, 6 - u) / 6, min(v, 10 - v) / 10)  # cycles per pixel
                expected[min(int(radius / 0.0625), BANDS - 1)] += power[u, v]
    np.testing.assert_allclose(bands(torch.from_numpy(x)), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("across", "along", "band"), [(3, 0, 1), (0, 7, 3), (9, 0, 4), (6, 9, 5), (16, 0, 7)]
)
def test_a_wave_lies_in_its_band_and_brightness_in_none(across, along, band):
    power = bands(10 + wave(across, along))
    assert int(power.argmax()) == band == min(int(math.hypot(across, along) // 2), BANDS - 1)
    assert float(power[band] / power.sum()) > 0.6  # the window spreads it over three frequencies
    assert bands(torch.full((1, 1, 32, 32), 0.3)).sum() < 1e-12


def test_the_error_is_relative_to_the_target():
    y = torch.rand(5, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    for factor, ratio in ((1.0, 0.0), (0.5, 0.25), (0.0, 1.0), (-1.0, 4.0)):
        result = measured(Scaled(factor), y, y)
        assert result.metrics["high_frequency/error"] == pytest.approx(ratio)
        assert result.curves["high_frequency/by_band"] == pytest.approx([ratio] * BANDS)


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def test_what_is_lost_above_half_nyquist_counts_as_high_and_what_is_lost_below_does_not():
    low, high = wave(3, 0), wave(0, 13)
    for kept, lost in ((low, 1), (high, 0)):
        result = measured(nn.Identity(), kept, low + high)
        assert result.metrics["high_frequency/error"] == pytest.approx(lost, abs=1e-6)
    flat = torch.ones(2, 1, 32, 32)
    assert math.isnan(measured(nn.Identity(), flat, flat).metrics["high_frequency/error"])


def test_an_output_of_another_shape_is_refused():
    x = torch.rand(2, 1, 32, 32)
    with pytest.raises(DlgbenchError, match=r"of one shape .*, got \(2, 1024\) and \(2, 1, 32, 32"):
        measured(nn.Flatten(), x, x)
