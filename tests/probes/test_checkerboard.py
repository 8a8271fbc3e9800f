import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.upsampling import upsample
from dlgbench.probes.checkerboard import at_start, checkerboard, share, spectrum
from dlgbench.probes.subject import Subject

ROW, COLUMN = torch.meshgrid(torch.arange(8), torch.arange(12), indexing="ij")
BOARD, STRIPES = (-1.0) ** (ROW + COLUMN), (-1.0) ** COLUMN
SLOW = torch.cos(2 * math.pi * ROW / 8)


def images(*planes):
    return torch.stack([plane.double() for plane in planes])[:, None]


def test_shares_by_hand():
    across = torch.cos(2 * math.pi * COLUMN / 12)
    for fast in (BOARD, STRIPES, (-1.0) ** ROW, STRIPES * SLOW):
        assert share(images(fast)) == pytest.approx(1)
    for smooth in (SLOW, SLOW + across, BOARD * SLOW * across):
        assert share(images(smooth)) == pytest.approx(0, abs=1e-12)
    # the means of the squares are 1/2 and 1/4
    assert share(images(7 + SLOW + 0.5 * BOARD)) == pytest.approx(0.25 / (0.25 + 0.5))
    assert share(images(SLOW, BOARD)) == pytest.approx(1 / 1.5)
    assert math.isnan(share(images(torch.ones(8, 12))))


def test_the_share_is_that_of_the_fourier_matrix():
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 10))
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in (6, 10)
    )
    power = (np.abs(np.einsum("ui,bcij,jv->bcuv", rows, x, columns)) ** 2).sum((0, 1))
    nyquist = sum(power[u, v] for u in range(6) for v in range(10) if u == 3 or v == 5)
    expected = nyquist / (power.sum() - power[0, 0])
    assert share(torch.from_numpy(x)) == pytest.approx(expected)
    odd = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))
    assert share(torch.from_numpy(odd)) == pytest.approx(expected)


def test_white_noise_has_the_share_of_its_frequencies():
    noise = torch.randn(400, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    assert share(noise) == pytest.approx((8 + 12 - 1) / (8 * 12 - 1), rel=0.03)


@pytest.mark.parametrize(
    ("name", "kernel", "even"),
    [("transposed", 3, False), ("transposed", 4, True), ("nearest", 3, True)],
)
def test_windows_that_overlap_unevenly_draw_a_checkerboard(name, kernel, even):
    layer = upsample(name, 1, 1, 2, kernel)
    for p in layer.parameters():
        nn.init.ones_(p)
    network = nn.Sequential(layer, nn.ZeroPad2d(-4))  # without the zeros around the image
    x = torch.ones(2, 1, 16, 16)
    if even:
        assert torch.all(network(x) == network(x)[0, 0, 0, 0])
    else:
        metrics = checkerboard(Subject(network, (1, 16, 16), (x, torch.zeros(2)))).metrics
        assert metrics["checkerboard"] == pytest.approx(1)


def test_transposed_decoders_begin_with_a_checkerboard_and_resizing_ones_without():
    small = torch.rand(32, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    x = F.interpolate(small, (32, 32), mode="bicubic")
    ratios = {}
    for upsampling in ("nearest", "transposed"):
        torch.manual_seed(0)
        network = create_model("encoder_decoder", input_shape=(1, 32, 32), upsampling=upsampling)
        metrics = checkerboard(Subject(network, (1, 32, 32), (x, x))).metrics
        ratios[upsampling] = metrics["checkerboard/ratio"]
    assert ratios["nearest"] < 5
    assert ratios["transposed"] > 50


def test_the_ratio_is_to_the_targets():
    z, y = images(SLOW + BOARD), images(SLOW + 0.5 * BOARD)

    def measured(target):
        return checkerboard(Subject(nn.Identity(), (1, 8, 12), (z, target))).metrics

    ratio = (1 / 1.5) / (0.25 / 0.75)
    assert measured(y) == pytest.approx({"checkerboard": 1 / 1.5, "checkerboard/ratio": ratio})
    for labels in (torch.zeros(1, 8, 12).long(), torch.zeros(1).long(), images(torch.ones(8, 12))):
        assert math.isnan(measured(labels)["checkerboard/ratio"])


def test_an_output_without_images_is_refused():
    match = r"expected an output of images \(B, C, H, W\) .*, got shape \(1, 96\)"
    with pytest.raises(DlgbenchError, match=match):
        checkerboard(Subject(nn.Flatten(), (1, 8, 12), (images(BOARD), torch.zeros(1))))


def test_the_spectrum_is_numpys_and_a_checkerboard_lies_in_its_first_row_and_column():
    x = np.random.default_rng(0).normal(3, 1, size=(2, 3, 6, 10))
    expected = (np.abs(np.fft.fftshift(np.fft.fft2(x), (2, 3))) ** 2).mean((0, 1))
    expected[3, 5] = 0
    np.testing.assert_allclose(spectrum(torch.from_numpy(x)), expected, atol=1e-9)
    assert (spectrum(images(BOARD)) > 1e-9).nonzero().tolist() == [[0, 0]]
    assert (spectrum(images(STRIPES)) > 1e-9).nonzero().tolist() == [[4, 0]]


def test_before_training_the_same_is_recorded_under_other_names():
    z = images(SLOW + BOARD, SLOW, BOARD)
    subject = Subject(nn.Identity(), (1, 8, 12), (z, z))
    before, after = at_start(subject), checkerboard(subject)
    assert before.metrics == {"checkerboard_start": after.metrics["checkerboard"]}
    assert set(after.arrays) == {"checkerboard/image", "checkerboard/spectrum"}
    np.testing.assert_array_equal(after.arrays["checkerboard/image"], z[:2].float())
    np.testing.assert_array_equal(after.arrays["checkerboard/spectrum"], spectrum(z).float())
    for name, array in after.arrays.items():
        same = before.arrays[name.replace("checkerboard", "checkerboard_start")]
        np.testing.assert_array_equal(same, array)
