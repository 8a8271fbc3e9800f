"""Exact reconstruction, against explicit matrices, scipy and the papers' equations."""

import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from dlgbench.layers.pyramids import (
    haar_decompose,
    haar_reconstruct,
    laplacian_decompose,
    laplacian_expand,
    laplacian_reconstruct,
    laplacian_reduce,
)

PYRAMIDS = {
    "laplacian": (laplacian_decompose, laplacian_reconstruct),
    "haar": (haar_decompose, haar_reconstruct),
}
BINOMIAL = torch.tensor([1.0, 4, 6, 4, 1], dtype=torch.float64) / 16
SIZES = [(32, 32), (33, 31), (28, 17), (13, 57), (8, 9)]


def image(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def energy(*bands):
    return sum(band.square().sum() for band in bands)


@pytest.mark.parametrize("size", [*SIZES, (1, 5), (2, 2)])
@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("name", PYRAMIDS)
def test_both_reconstruct_at_any_size(name, levels, size):
    decompose, reconstruct = PYRAMIDS[name]
    x = image(2, 3, *size)
    assert (reconstruct(decompose(x, levels)) - x).abs().max() < 1e-12


def test_bands_by_hand():
    sides = [tuple(band.shape[2:]) for band in laplacian_decompose(image(1, 1, 29, 20), 3)]
    assert sides == [(29, 20), (15, 10), (8, 5), (4, 3)]
    sides = [tuple(band.shape[2:]) for band in haar_decompose(image(1, 1, 29, 20), 2)]
    assert sides == [(15, 10), (14, 10), (14, 10), (8, 5), (7, 5), (7, 5), (8, 5)]
    assert sum(height * width for height, width in sides) == 29 * 20  # as many numbers as pixels


@pytest.mark.parametrize("size", SIZES)
def test_reduce_is_scipys_convolution_with_the_outer_product(size):
    x = image(1, 2, *size)
    kernel = torch.outer(BINOMIAL, BINOMIAL).numpy()
    for c in range(2):
        expected = ndimage.correlate(x[0, c].numpy(), kernel, mode="nearest")[::2, ::2]
        assert (laplacian_reduce(x)[0, c] - torch.from_numpy(expected)).abs().max() < 1e-12


@pytest.mark.parametrize("size", SIZES)
def test_expand_is_equation_2(size):
    fine = image(1, 1, *size)
    coarse = laplacian_reduce(fine)[0, 0]
    axes = []  # E_ik: the weight of coarse pixel k in fine pixel i, with the edges replicated
    for many, few in zip(size, coarse.shape, strict=True):
        matrix = torch.zeros(many, few, dtype=torch.float64)
        for i in range(many):
            for m in range(-2, 3):
                if (i - m) % 2 == 0:
                    matrix[i, min(max((i - m) // 2, 0), few - 1)] += 2 * BINOMIAL[m + 2]
        axes.append(matrix)
    expanded = laplacian_expand(coarse[None, None], fine)[0, 0]
    assert (expanded - axes[0] @ coarse @ axes[1].T).abs().max() < 1e-12


def test_laplacian_bands_of_a_constant_are_zero_and_of_a_ramp_inside():
    flat = torch.full((1, 1, 33, 33), 0.7, dtype=torch.float64)
    *details, top = laplacian_decompose(flat, 3)
    assert max(detail.abs().max() for detail in details) < 1e-15
    assert torch.allclose(top, flat[:, :, :5, :5])
    ramp = torch.arange(33.0, dtype=torch.float64).expand(1, 1, 33, 33) * 0.1
    detail = laplacian_decompose(ramp, 1)[0]
    assert detail[..., 4:-4].abs().max() < 1e-12
    assert detail.abs().max() > 1e-3  # at the edges, which are replicated


def test_reduce_passes_the_mean_and_stops_the_checkerboard():
    squares = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    board = squares[None, None].double()
    assert laplacian_reduce(board)[..., 1:-1, 1:-1].abs().max() < 1e-15
    brighter = laplacian_reduce(board + 5)[..., 1:-1, 1:-1]
    assert torch.allclose(brighter, torch.tensor(5.0, dtype=torch.float64))


def test_haar_is_its_explicit_matrix():
    # The horizontal, vertical and diagonal detail and the approximation of a block.
    rows = [[1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1], [1, 1, 1, 1]]
    matrix = torch.tensor(rows, dtype=torch.float64) / 2
    assert torch.equal(matrix @ matrix.T, torch.eye(4, dtype=torch.float64))
    x, kernel = image(2, 1, 6, 10), matrix.reshape(4, 1, 2, 2)
    expected = F.conv2d(x, kernel, stride=2)
    assert (torch.cat(haar_decompose(x, 1), 1) - expected).abs().max() < 1e-12
    second_level = F.conv2d(expected[:, 3:, :2, :4], kernel, stride=2)
    bands = haar_decompose(x[:, :, :4, :8], 2)[3:]
    assert (torch.cat(bands, 1) - second_level).abs().max() < 1e-12


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (9, 6)])
@pytest.mark.parametrize("levels", [1, 2])
def test_haar_is_orthonormal_at_any_size(levels, size):
    pixels = size[0] * size[1]
    basis = torch.eye(pixels, dtype=torch.float64).reshape(pixels, 1, *size)
    matrix = torch.cat([band.flatten(1) for band in haar_decompose(basis, levels)], 1)
    assert matrix.shape == (pixels, pixels)
    assert (matrix @ matrix.T - torch.eye(pixels, dtype=torch.float64)).abs().max() < 1e-12


@pytest.mark.parametrize("size", SIZES)
def test_haar_keeps_the_energy_and_loses_what_is_dropped(size):
    x = image(2, 3, *size)
    bands = haar_decompose(x, 3)
    assert energy(*bands).item() == pytest.approx(energy(x).item(), rel=1e-12)
    for k, band in enumerate(bands):
        dropped = [torch.zeros_like(other) if j == k else other for j, other in enumerate(bands)]
        lost = energy(haar_reconstruct(dropped) - x).item()
        assert lost == pytest.approx(energy(band).item(), rel=1e-12)
    coarse = haar_reconstruct([*(torch.zeros_like(band) for band in bands[:-1]), bands[-1]])
    assert energy(coarse - x).item() == pytest.approx(energy(*bands[:-1]).item(), rel=1e-12)


def test_haar_without_details_is_the_mean_of_each_block():
    x = image(1, 1, 8, 16)
    *details, top = haar_decompose(x, 3)
    coarse = haar_reconstruct([*(torch.zeros_like(band) for band in details), top])
    assert (coarse - F.interpolate(F.avg_pool2d(x, 8), scale_factor=8)).abs().max() < 1e-12


def test_the_laplacian_is_not_orthonormal():
    x = image(1, 1, 32, 32)
    assert abs(energy(*laplacian_decompose(x, 3)) / energy(x) - 1) > 0.01
