"""Zero insertion and sub-pixel convolution as transposed convolution; why checkerboards appear."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError
from dlgbench.layers.upsampling import UPSAMPLINGS, AnySide, ZeroInsertion, crop, upsample

WINDOWS = [(2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3), (6, 3), (4, 4)]  # kernel, factor


def image(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", UPSAMPLINGS)
@pytest.mark.parametrize(("kernel", "factor"), WINDOWS)
def test_every_one_gives_factor_times_the_size(name, kernel, factor):
    y = upsample(name, 3, 5, factor, kernel)(torch.zeros(2, 3, 7, 4))
    assert y.shape == (2, 5, 7 * factor, 4 * factor)


def test_zero_insertion_by_hand():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    rows = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert ZeroInsertion(2)(x).tolist() == [[rows]]
    assert ZeroInsertion(3)(x)[0, 0].nonzero().tolist() == [[0, 0], [0, 3], [3, 0], [3, 3]]
    assert torch.equal(ZeroInsertion(1)(x), x)


@pytest.mark.parametrize(("kernel", "factor"), WINDOWS)
def test_zero_insertion_and_convolution_is_transposed_convolution(kernel, factor):
    zeros, transposed = (
        upsample(name, 3, 5, factor, kernel).double() for name in ("zero_insertion", "transposed")
    )
    with torch.no_grad():
        transposed.weight.copy_(zeros[-1].weight.transpose(0, 1).flip(2, 3))
        transposed.bias.copy_(zeros[-1].bias)
    x = image(2, 3, 6, 9)
    assert (zeros(x) - transposed(x)).abs().max() < 1e-12


def test_the_same_in_torchs_functions_alone():
    x, w = image(2, 3, 6, 9), image(3, 5, 4, 4)  # (in, out, k, k)
    spread = ZeroInsertion(2)(x)[:, :, :-1, :-1]  # no zeros after the last pixel
    as_convolution = F.conv2d(F.pad(spread, (3, 3, 3, 3)), w.transpose(0, 1).flip(2, 3))
    assert (as_convolution - F.conv_transpose2d(x, w, stride=2)).abs().max() < 1e-12


@pytest.mark.parametrize("factor", [2, 3])
def test_pixel_shuffle_is_equation_4_of_shi(factor):
    layer, x = upsample("pixel_shuffle", 2, 3, factor).double(), image(2, 2, 4, 5)
    maps, out = layer[:-1](x), layer(x)
    for i in range(4 * factor):
        for j in range(5 * factor):
            for c in range(3):
                channel = c * factor**2 + factor * (i % factor) + j % factor
                assert torch.equal(out[:, c, i, j], maps[:, channel, i // factor, j // factor])
    assert torch.equal(out, nn.PixelShuffle(factor)(maps))


@pytest.mark.parametrize("factor", [2, 3])
def test_sub_pixel_convolution_is_a_transposed_one_with_a_larger_kernel(factor):
    layer, x = upsample("pixel_shuffle", 2, 3, factor).double(), image(2, 2, 4, 5)
    weight = layer[1].weight.reshape(3, factor, factor, 2, 3, 3)  # (out, a, b, in, u, v)
    kernels = weight.flip(4, 5)
    large = kernels.permute(3, 0, 4, 1, 5, 2).reshape(2, 3, 3 * factor, 3 * factor)
    bias = nn.PixelShuffle(factor)(layer[1].bias.reshape(1, -1, 1, 1)).repeat(1, 1, 4, 5)
    expected = F.conv_transpose2d(x, large, stride=factor, padding=factor) + bias
    assert (layer(x) - expected).abs().max() < 1e-12


def test_interpolation_by_hand():
    step = torch.tensor([[[[0.0, 1.0]]]])
    for name, row in (("nearest", [0, 0, 1, 1]), ("bilinear", [0, 0.25, 0.75, 1])):
        layer = upsample(name, 1, 1)
        nn.init.dirac_(layer[-1].weight)
        nn.init.zeros_(layer[-1].bias)
        assert layer(step)[0, 0].tolist() == [row, row]


def overlaps(kernel, stride, side=9):
    """How many windows reach each pixel, without the pixels near the edges."""
    ones, window = torch.ones(1, 1, side, side), torch.ones(1, 1, kernel, kernel)
    count = F.conv_transpose2d(ones, window, stride=stride)
    return count[0, 0, kernel:-kernel, kernel:-kernel]


def test_windows_overlap_evenly_where_the_stride_divides_the_kernel():
    checkerboard = overlaps(3, 2)  # 1 or 2 windows in each direction (Odena et al. 2016)
    assert checkerboard.unique().tolist() == [1, 2, 4]
    # Each pixel of four windows lies diagonally beside a pixel of one window.
    assert torch.equal(checkerboard[:-1, :-1] == 4, checkerboard[1:, 1:] == 1)
    assert overlaps(4, 2).unique().tolist() == [4]
    assert overlaps(2, 2).unique().tolist() == [1]
    for kernel in range(1, 9):
        for stride in range(1, kernel + 1):
            even = len(overlaps(kernel, stride, 12).unique()) == 1
            assert even == (kernel % stride == 0), (kernel, stride)


def test_the_layer_draws_the_checkerboard_and_resize_convolution_does_not():
    expected = {
        ("transposed", 3): 3,
        ("transposed", 4): 0,
        ("zero_insertion", 3): 3,
        ("nearest", 3): 0,
        ("bilinear", 3): 0,
    }
    spread = {}
    for name, kernel in expected:
        layer = upsample(name, 1, 1, kernel=kernel)
        nn.init.ones_(layer[-1].weight if isinstance(layer, nn.Sequential) else layer.weight)
        inside = layer(torch.ones(1, 1, 8, 8))[0, 0, 4:-4, 4:-4]
        spread[name, kernel] = (inside.max() - inside.min()).item()
    assert spread == pytest.approx(expected, abs=1e-6)


def test_all_but_pixel_shuffle_have_equal_parameters():
    for name in UPSAMPLINGS:
        count = sum(p.numel() for p in upsample(name, 6, 4).parameters())
        assert count == (9 * 6 * 4 + 4) * (4 if name == "pixel_shuffle" else 1), name


def test_any_side_pads_to_the_next_multiple_and_crops():
    body = nn.Conv2d(1, 2, 3, padding=1).double()
    x = image(1, 1, 13, 24)
    padded = torch.cat([x, x[:, :, -1:].expand(-1, -1, 3, -1)], 2)
    assert torch.equal(AnySide(body, 8)(x), body(padded)[:, :, :13])
    assert torch.equal(AnySide(body, 8)(padded), body(padded))
    assert torch.equal(crop(x, torch.zeros(1, 9, 3, 4)), x[:, :, :3, :4])


def test_invalid_arguments_are_refused():
    message = "no up-sampling is called 'transpose'; did you mean 'transposed'"
    with pytest.raises(DlgbenchError, match=message):
        upsample("transpose", 1, 1)
    for name in ("transposed", "zero_insertion"):
        message = f"{name}: expected 2 <= factor <= kernel, .* got factor 4 and kernel 3"
        with pytest.raises(DlgbenchError, match=message):
            upsample(name, 1, 1, 4)
