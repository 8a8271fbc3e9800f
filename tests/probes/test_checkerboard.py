import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.upsampling import upsample
from dlgbench.probes.checkerboard import checkerboard, share
from dlgbench.probes.subject import Subject

ROW, COLUMN = torch.meshgrid(torch.arange(8), torch.arange(12), indexing="ij")
BOARD, STRIPES = (-1.0) ** (ROW + COLUMN), (-1.0) ** COLUMN


def images(*planes):
    return torch.stack([plane.double() for plane in planes])[:, None]


def test_shares_by_hand():
    slow, across = torch.cos(2 * math.pi * ROW / 8), torch.cos(2 * math.pi * COLUMN / 12)
    assert [
        share(images(plane)) for plane in (BOARD, STRIPES, (-1.0) ** ROW, STRIPES * slow)
    ] == pytest.approx([1, 1, 1, 1])
    assert [
        share(images(plane)) for plane in (slow, slow + across, BOARD * slow * across)
    ] == pytest.approx([0, 0, 0], abs=1e-12)
    assert share(images(7 + slow + 0.5 * BOARD)) == pytest.approx(
        0.25 / (0.25 + 0.5)
    )  # of the means of the squares
    assert share(images(slow, BOARD)) == pytest.approx(1 / 1.5)
    assert math.isnan(share(images(torch.ones(8, 12))))


def test_the_share_is_of_the_fourier_matrix():
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 10))
    fourier = [np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in (6, 10)]
    power = (np.abs(np.einsum("ui,bcij,jv->bcuv", fourier[0], x, fourier[1])) ** 2).sum((0, 1))
    nyquist = sum(power[u, v] for u in range(6) for v in range(10) if u == 3 or v == 5)
    assert share(torch.from_numpy(x)) == pytest.approx(nyquist / (power.sum() - power[0, 0]))
    assert share(torch.from_numpy(np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1))))) == pytest.approx(
        share(torch.from_numpy(x))
    )


def test_white_noise_has_the_share_of_its_frequencies():
    noise = torch.randn(400, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    assert share(noise) == pytest.approx((8 + 12 - 1) / (8 * 12 - 1), rel=0.03)


def test_windows_that_overlap_unevenly_draw_a_checkerboard():
    drawn = {}
    x = torch.ones(2, 1, 16, 16)
    for name, kernel in [("transposed", 3), ("transposed", 4), ("nearest", 3)]:
        network = upsample(name, 1, 1, 2, kernel)
        for p in network.parameters():
            nn.init.ones_(p)
        inner = nn.Sequential(
            network, nn.ZeroPad2d(-4)
        )  # what zeros around the image do is not the question
        if (name, kernel) == ("transposed", 3):
            drawn = checkerboard(Subject(inner, (1, 16, 16), (x, torch.zeros(2))))[0][
                "checkerboard"
            ]
        else:
            assert torch.all(inner(x) == inner(x)[0, 0, 0, 0])
    assert drawn == pytest.approx(1)


def test_transposed_decoders_begin_with_a_checkerboard_and_resizing_ones_without():
    x = F.interpolate(
        torch.rand(32, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
        (32, 32),
        mode="bicubic",
    )
    drawn = {}
    for upsampling in ("nearest", "transposed"):
        torch.manual_seed(0)
        network = create_model("encoder_decoder", input_shape=(1, 32, 32), upsampling=upsampling)
        drawn[upsampling] = checkerboard(Subject(network, (1, 32, 32), (x, x)))[0][
            "checkerboard/ratio"
        ]
    assert drawn["nearest"] < 5
    assert drawn["transposed"] > 50


def test_the_ratio_is_to_the_targets():
    slow = torch.cos(2 * math.pi * ROW / 8)
    z, y = images(slow + BOARD), images(slow + 0.5 * BOARD)
    figures, _ = checkerboard(Subject(nn.Identity(), (1, 8, 12), (z, y)))
    assert figures == pytest.approx(
        {"checkerboard": 1 / 1.5, "checkerboard/ratio": (1 / 1.5) / (0.25 / 0.75)}
    )
    for labels in (torch.zeros(1, 8, 12).long(), torch.zeros(1).long(), images(torch.ones(8, 12))):
        assert math.isnan(
            checkerboard(Subject(nn.Identity(), (1, 8, 12), (z, labels)))[0]["checkerboard/ratio"]
        )


def test_an_output_without_images_is_refused():
    with pytest.raises(
        DlgbenchError,
        match=r"wants an output of images \(B, C, H, W\); one of shape \(1, 96\) came",
    ):
        checkerboard(Subject(nn.Flatten(), (1, 8, 12), (images(BOARD), torch.zeros(1))))
