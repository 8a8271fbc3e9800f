import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.layers.locally_connected import LocallyConnected2d


def count(layer):
    return sum(p.numel() for p in layer.parameters())


def tie(layer, convolution):
    locations = len(layer.kernels())
    layer.weight.data = convolution.weight.data.repeat(locations, 1, 1, 1)
    layer.bias.data = convolution.bias.data.repeat(locations)


# With an even kernel and "same", torch's convolution warns that it copies its input.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        ((7, 5), 3, 1, 0),
        ((8, 8), 3, 2, 1),
        ((9, 6), 2, 3, 0),
        ((6, 7), 4, 1, "same"),
        ((5, 5), 5, 1, "same"),
    ],
)
def test_with_equal_kernels_it_is_the_convolution(size, kernel, stride, padding):
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, kernel, stride, padding).double()
    layer = LocallyConnected2d(3, 4, size, kernel, stride, padding).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert not torch.allclose(layer(x), convolution(x), atol=1e-2)
    tie(layer, convolution)
    assert torch.allclose(layer(x), convolution(x), atol=1e-12)


def test_its_equation_by_loops():
    torch.manual_seed(0)
    layer = LocallyConnected2d(2, 3, (5, 6), 3, 2).double()
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64)
    y = layer(x)
    assert y.shape == (2, 3, 2, 2)
    for p, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        window = x[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        for o in range(3):
            unit = 3 * p + o
            expected = (window * layer.weight[unit]).sum((1, 2, 3)) + layer.bias[unit]
            assert torch.allclose(y[:, o, row, column], expected, atol=1e-12)
            assert torch.equal(layer.kernels()[p][o], layer.weight[unit])


def test_gradients_are_numerically_right():
    layer = LocallyConnected2d(1, 2, (3, 3), 2).double()
    x = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_parameters_of_the_lectures_200_by_200_image():
    with torch.device("meta"):
        dense = nn.Linear(200 * 200, 40_000, bias=False)
        local = LocallyConnected2d(1, 1, (200, 200), 10, padding="same", bias=False)
        shared = nn.Conv2d(1, 1, 10, padding="same", bias=False)
        x = torch.empty(1, 1, 200, 200)
        assert local(x).shape == shared(x).shape == x.shape
    assert (count(dense), count(local), count(shared)) == (1_600_000_000, 4_000_000, 100)


@pytest.mark.parametrize(
    ("size", "channels", "out", "kernel"), [((28, 28), 1, 6, 5), ((9, 7), 3, 4, 3)]
)
def test_parameters_by_formula(size, channels, out, kernel):
    positions = (size[0] - kernel + 1) * (size[1] - kernel + 1)
    layer = LocallyConnected2d(channels, out, size, kernel)
    assert count(layer) == positions * (kernel**2 * channels + 1) * out


def test_it_begins_as_a_convolution_does():
    torch.manual_seed(0)
    layer, convolution = LocallyConnected2d(4, 8, (12, 12), 3), nn.Conv2d(4, 4000, 3)
    for ours, theirs in zip(layer.parameters(), convolution.parameters(), strict=True):
        assert ours.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.01)
        assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.05)


def test_invalid_arguments_are_refused():
    message = r"expected a window within .*, got kernel_size 7 for size \(5, 9\) with padding 0"
    with pytest.raises(DlgbenchError, match=message):
        LocallyConnected2d(1, 1, (5, 9), 7)
    with pytest.raises(DlgbenchError, match="'same' with stride 1, got 'same' with stride 2"):
        LocallyConnected2d(1, 1, (5, 5), 3, 2, "same")
    with pytest.raises(DlgbenchError, match="got 'valid' with stride 1"):
        LocallyConnected2d(1, 1, (5, 5), 3, padding="valid")
