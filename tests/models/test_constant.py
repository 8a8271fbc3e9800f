import pytest
import torch

from dlgbench import DlgbenchError, create_model


def test_least_squares_finds_the_mean_of_each_channel():
    random = torch.Generator().manual_seed(0)
    x, y = torch.rand(5, 1, 4, 6, generator=random), torch.rand(5, 2, 4, 6, generator=random)
    network = create_model("constant", input_shape=(1, 4, 6), num_classes=2)
    assert torch.equal(network(x), torch.zeros(5, 2, 4, 6))
    # the gradient of the mean over both channels is b - mean: one step of rate 1 is the minimum
    (network(x) - y).square().mean().backward()
    torch.optim.SGD(network.parameters(), lr=1.0).step()
    mean = y.mean((0, 2, 3))
    assert torch.allclose(network.bias, mean)
    assert torch.equal(network(x), network(-x))
    assert torch.equal(network(x)[3, :, 1, 2], network.bias)


def test_what_is_no_image_is_refused():
    with pytest.raises(DlgbenchError, match=r"model constant: expected images of shape"):
        create_model("constant", input_shape=(2,))
