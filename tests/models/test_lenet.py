import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import weighted

COUNTS = [6 * 25 + 6, 16 * 6 * 25 + 16, 120 * 16 * 25 + 120, 120 * 84 + 84, 84 * 10 + 10]


def shapes(network, x):
    """Of the outputs of each layer but the activations."""
    seen = []
    for layer in network:
        x = layer(x)
        seen += [] if isinstance(layer, nn.Tanh) else [tuple(x.shape[1:])]
    return seen


def test_layers_by_hand():
    network = create_model("lenet5")
    assert [layer.weight.numel() + layer.bias.numel() for layer in weighted(network)] == COUNTS
    assert sum(p.numel() for p in network.parameters()) == sum(COUNTS) == 61_706
    wanted = [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (120,), (84,), (10,)]
    assert shapes(network, torch.zeros(2, 1, 32, 32)) == wanted


def test_the_difference_from_the_papers_60_000():
    # Table I: 6, 6, 3 and 1 maps see 3, 4, 4 and 6.
    c3 = 6 * (3 * 25 + 1) + 6 * (4 * 25 + 1) + 3 * (4 * 25 + 1) + (6 * 25 + 1)
    subsampling, codes = 2 * 6 + 2 * 16, 0
    assert (c3, subsampling) == (1_516, 44)
    assert COUNTS[0] + c3 + subsampling + COUNTS[2] + COUNTS[3] + codes == 60_000


def test_it_is_its_equation():
    network = create_model("lenet5").double()
    w1, b1, w3, b3, w5, b5, w6, b6, w, b = network.parameters()
    x = torch.rand(3, 1, 32, 32, dtype=torch.float64)

    def convolved(z, kernel, bias):
        windows = z.unfold(2, 5, 1).unfold(3, 5, 1)
        return torch.einsum("bchwij,ocij->bohw", windows, kernel) + bias[:, None, None]

    def averaged(z):
        upper = z[:, :, ::2, ::2] + z[:, :, ::2, 1::2]
        lower = z[:, :, 1::2, ::2] + z[:, :, 1::2, 1::2]
        return (upper + lower) / 4

    z = averaged(torch.tanh(convolved(x, w1, b1)))
    z = averaged(torch.tanh(convolved(z, w3, b3)))
    z = torch.tanh(convolved(z, w5, b5))[:, :, 0, 0]
    assert torch.allclose(network(x), torch.tanh(z @ w6.T + b6) @ w.T + b, rtol=0, atol=1e-12)


def test_28x28_is_the_papers_32x32_with_zeros_around():
    small = create_model("lenet5", input_shape=(1, 28, 28)).double()
    native = create_model("lenet5").double()
    native.load_state_dict(small.state_dict())
    x = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    assert torch.allclose(small(x), native(F.pad(x, (2, 2, 2, 2))), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 12, 12), (1, 14, 28), (3, 36, 40)])
def test_other_images_and_widths(shape):
    network = create_model("lenet5", input_shape=shape, num_classes=7, width=0.5)
    assert network(torch.zeros(2, *shape)).shape == (2, 7)
    assert [layer.weight.shape[0] for layer in weighted(network)] == [3, 8, 60, 42, 7]


@pytest.mark.parametrize("shape", [(1, 11, 28), (28, 28), (2,)])
def test_what_is_no_image_is_refused(shape):
    images = r"images of shape \(C, H, W\) with sides of at least 12"
    wanted = rf"lenet5: expected {images}, got input_shape \(.*\)"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("lenet5", input_shape=shape)
