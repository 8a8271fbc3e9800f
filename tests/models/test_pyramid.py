import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model

NAMES = ("laplacian_pyramid", "haar_pyramid")


@pytest.mark.parametrize(("name", "bands"), [("laplacian_pyramid", 4), ("haar_pyramid", 10)])
def test_parameters_by_hand(name, bands):
    network = create_model(name, input_shape=(3, 64, 64), num_classes=2)
    by_hand = bands * ((9 * 3 * 16 + 16) + (9 * 16 * 2 + 2))
    assert sum(p.numel() for p in network.parameters()) == by_hand


@torch.no_grad()
@pytest.mark.parametrize("size", [(28, 28), (37, 64)])
@pytest.mark.parametrize("name", NAMES)
def test_bands_left_alone_give_the_image_again(name, size):
    network = create_model(name, input_shape=(1, *size)).double()
    for net in network.bands:
        for layer in (net[0], net[2]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        net[0].weight[0, 0, 1, 1], net[0].weight[1, 0, 1, 1] = 1, -1  # max(0, x) and max(0, -x)
        net[2].weight[0, 0, 1, 1], net[2].weight[0, 1, 1, 1] = 1, -1  # whose difference is x
    x = torch.randn(2, 1, *size, dtype=torch.float64)
    assert (network(x) - x).abs().max() < 1e-12
    network.bands[0][2].weight.zero_()
    assert (network(x) - x).abs().max() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_each_net_gets_its_band(name):
    network, sides = create_model(name, input_shape=(1, 29, 20), levels=2), []
    for net in network.bands:
        net.register_forward_hook(lambda _, inputs, __: sides.append(tuple(inputs[0].shape[2:])))
    assert network(torch.rand(1, 1, 29, 20)).shape == (1, 1, 29, 20)
    laplacian = [(29, 20), (15, 10), (8, 5)]
    haar = [(15, 10), (14, 10), (14, 10), (8, 5), (7, 5), (7, 5), (8, 5)]
    assert sides == (laplacian if name == "laplacian_pyramid" else haar)


def test_an_image_too_small_for_the_levels_is_refused():
    wanted = r"haar_pyramid: expected images of shape .* at least 8, got input_shape \(1, 28, 7\)"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("haar_pyramid", input_shape=(1, 28, 7))
