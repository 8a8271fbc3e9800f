import pytest
import torch
from torch import nn

from dlgbench import create_model


def test_parameters_are_the_notebooks():
    down, up = 1 * 32 + 32 * 64 + 64 * 128, 128 * 64 + 64 * 32 + 32 * 2
    kernels, biases_of_the_last_layer = 16 * down + 3 * 9 * 128**2 + 16 * up, 2
    maps = 32 + 64 + 4 * 128 + 64 + 32
    assert maps == 704
    gammas_and_betas = 2 * maps
    count = sum(p.numel() for p in create_model("colorization").parameters())
    assert count == kernels + gammas_and_betas + biases_of_the_last_layer == 772_994
    assert count + maps == 773_698  # what the notebook prints


def test_shapes_by_hand():
    network, shapes = create_model("colorization"), []
    for layer in network.body:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 2, 32, 32)
    down, up = [(32, 16, 16), (64, 8, 8), (128, 4, 4)], [(64, 8, 8), (32, 16, 16), (2, 32, 32)]
    assert shapes == [*down, *[(128, 4, 4)] * 3, *up]


def test_a_bias_before_batch_normalization_changes_nothing():
    torch.manual_seed(0)
    network = create_model("colorization", width=0.25).double()
    x = torch.rand(4, 1, 32, 32, dtype=torch.float64)
    without = network(x)
    for layer in list(network.body):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is None:
            layer.bias = nn.Parameter(torch.randn(layer.out_channels, dtype=torch.float64))
    assert (network(x) - without).abs().max() < 1e-12


@pytest.mark.parametrize("size", [(28, 28), (33, 50)])
def test_any_sides(size):
    assert create_model("colorization", width=0.125)(torch.rand(2, 1, *size)).shape == (2, 2, *size)
