import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError
from dlgbench.layers.pooling import POOLINGS, BlurPool2d, pool
from dlgbench.probes import receptive_field


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize(
    ("size", "window", "stride"),
    [
        ((8, 8), 2, None),
        ((7, 9), 2, None),
        ((11, 10), 3, 2),
        ((28, 28), 5, None),
        ((2, 2), 2, None),
    ],
)
def test_all_names_give_the_same_shape_and_have_no_parameters(name, size, window, stride):
    layer = pool(name, window, stride)
    x = torch.rand(2, 3, *size)
    assert layer(x).shape == F.max_pool2d(x, window, stride).shape
    assert not list(layer.parameters())
    assert not layer.state_dict()
    assert layer.double()(x.double()).dtype == torch.float64
    assert torch.equal(layer(x.double().to(memory_format=torch.channels_last)), layer(x.double()))


def test_by_hand():
    # The rows are 0 1 2 3 / 4 5 6 7 / 8 9 10 11 / 12 13 14 15.
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert pool("max", 2)(x).flatten().tolist() == [5, 7, 13, 15]
    assert pool("average", 2)(x).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert pool("subsample", 2)(x).flatten().tolist() == [0, 2, 8, 10]
    # The maxima of stride 1 are 5 6 7 / 9 10 11 / 13 14 15, a ramp a + x + 4y. Its edges are
    # repeated, and it is filtered with (1, 2, 1) / 4 in both directions.
    blurred = [5 + 0.25 + 1, 7 - 0.25 + 1, 13 + 0.25 - 1, 15 - 0.25 - 1]
    assert pool("blur", 2)(x).flatten().tolist() == blurred


def test_max_and_average_are_torchs():
    x = torch.randn(2, 3, 11, 11)
    assert torch.equal(pool("max", 3, 2)(x), F.max_pool2d(x, 3, 2))
    assert torch.equal(pool("average", 3)(x), F.avg_pool2d(x, 3))


def test_subsampling_after_a_convolution_is_a_strided_convolution():
    convolution = nn.Conv2d(2, 3, 3, padding=1).double()
    strided = nn.Conv2d(2, 3, 3, stride=2, padding=1).double()
    strided.load_state_dict(convolution.state_dict())
    x = torch.randn(2, 2, 8, 10, dtype=torch.float64)
    assert torch.allclose(pool("subsample", 2)(convolution(x)), strided(x), atol=1e-12)


def test_a_window_of_one_is_the_identity():
    x = torch.randn(2, 3, 5, 5)
    for name in ("max", "average", "subsample"):
        assert torch.equal(pool(name, 1)(x), x)


@pytest.mark.parametrize(("taps", "row"), [(2, [1, 1]), (3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])])
def test_the_blur_is_a_binomial_convolution_of_each_channel(taps, row):
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    h = torch.tensor(row, dtype=torch.float64) / sum(row)
    y = BlurPool2d(2, taps).double()(x)
    left = (taps - 1) // 2
    for channel in range(3):
        for i, j in ((2, 2), (3, 4)):  # inside
            rows, columns = (slice(2 * k - left, 2 * k - left + taps) for k in (i, j))
            expected = torch.einsum("bij,i,j->b", x[:, channel, rows, columns], h, h)
            assert torch.allclose(y[:, channel, i, j], expected, atol=1e-12)
    constant = torch.full((1, 2, 7, 7), 0.3)
    assert torch.allclose(BlurPool2d(2, taps)(constant), constant[:, :, :4, :4])


def test_the_blur_stops_what_would_alias():
    stripes = (torch.arange(16) % 2).double().expand(1, 1, 16, 16)  # the highest frequency
    inside = BlurPool2d(2).double()(stripes)[..., 1:-1, 1:-1]
    assert torch.allclose(inside, torch.full((1, 1, 6, 6), 0.5, dtype=torch.float64))
    shifted = stripes.roll(1, -1)
    assert (pool("subsample", 2)(stripes) - pool("subsample", 2)(shifted)).abs().min() == 1
    maximum, blur = pool("max", 2), pool("blur", 2).double()
    torch.manual_seed(0)
    image = torch.rand(8, 1, 32, 32, dtype=torch.float64)

    def change(layer):
        return (layer(image) - layer(image.roll(1, -1))).abs()[..., 2:-2, 2:-2].mean()

    assert change(blur) < 0.5 * change(maximum)


@pytest.mark.parametrize("name", POOLINGS)
def test_the_receptive_field_of_a_convolution_of_3_and_a_pooling_of_2(name):
    x = torch.randn(1, 1, 12, 12, dtype=torch.float64, requires_grad=True)
    network = nn.Sequential(nn.Conv2d(1, 1, 3), pool(name, 2)).double()
    seen = torch.zeros(12, 12, dtype=torch.bool)
    for _ in range(30):  # since a maximum can hide a pixel in a single draw
        x.data = torch.randn_like(x)
        seen |= torch.autograd.grad(network(x)[0, 0, 2, 2], x)[0][0, 0] != 0
    # P + K - 1, as on the slides; 1 + K - 1 for "subsample"; P + 3 - 1 + K - 1 for "blur".
    side = {"max": 4, "average": 4, "subsample": 3, "blur": 6}[name]
    assert seen.any(1).sum() == seen.any(0).sum() == side
    assert receptive_field.arithmetic(network) == (side, 2)


def test_invalid_arguments_are_refused():
    with pytest.raises(DlgbenchError, match="no pooling is called 'mean'"):
        pool("mean", 2)
    with pytest.raises(DlgbenchError, match="of at least 1, got window 2 and stride 0"):
        pool("max", 2, 0)
