"""Yu & Koltun 2016, Table 1 and equations 4 and 5, by hand."""

import itertools

import pytest
import scipy.stats
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.models.context import identity_

FIELDS = [3, 5, 9, 17, 33, 65, 67, 67]
LARGE = [21, 42, 42, 84, 168, 336, 672, 672, 21]


def convolutions(network):
    return [layer for layer in network if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("size", ["basic", "large"])
def test_receptive_fields_are_table_1s(size):
    args = {"input_shape": (2, 75, 75), "num_classes": 2, "size": size}
    network = create_model("context_module", **args).double()
    layers = convolutions(network)
    assert [layer.dilation[0] for layer in layers] == [1, 1, 2, 4, 8, 16, 1, 1]
    for layer in layers:
        nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    for k, field in enumerate(FIELDS):
        part = network[: 2 * k + 1]
        reaches = [(layer.kernel_size[0] - 1) * layer.dilation[0] for layer in layers[: k + 1]]
        assert field == 1 + sum(reaches)
        x = torch.ones(1, 2, 75, 75, dtype=torch.float64, requires_grad=True)
        y = part(x)
        assert y.shape[2:] == (75, 75)
        y[0, :, 37, 37].sum().backward()
        for seen in x.grad[0].sum(0).nonzero(as_tuple=True):  # rows, columns
            assert (seen.min(), seen.max()) == (37 - field // 2, 37 + field // 2)


def test_parameters_by_hand():
    with torch.device("meta"):
        basic, large = (create_model("context_module", size=size) for size in ("basic", "large"))
    about_64_c2 = (7 * 9 + 1) * 21**2 + 8 * 21
    assert sum(p.numel() for p in basic.parameters()) == about_64_c2 == 28_392
    pairs = list(itertools.pairwise(LARGE))
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions(large)] == pairs
    wanted = sum(9 * a * b + b for a, b in pairs[:-1]) + 672 * 21 + 21
    assert sum(p.numel() for p in large.parameters()) == wanted == 6_803_139
    assert [type(layer) for layer in large] == [nn.Conv2d, nn.ReLU] * 7 + [nn.Conv2d]


def test_the_basic_form_begins_as_the_identity():
    args = {"input_shape": (5, 20, 20), "num_classes": 5, "size": "basic"}
    network = create_model("context_module", **args).double()
    x = torch.rand(2, 5, 20, 20, dtype=torch.float64)
    assert torch.equal(network(x), x)
    assert torch.equal(network(-x), torch.zeros_like(x))  # truncated


def test_the_large_form_begins_as_the_identity_but_for_noise():
    torch.manual_seed(0)
    args = {"input_shape": (5, 40, 40), "num_classes": 5, "size": "large"}
    network = create_model("context_module", **args).double()
    x = torch.rand(1, 5, 40, 40, dtype=torch.float64)
    assert 0 < (network(x) - x).abs().mean() < 0.1
    for layer in convolutions(network):
        identity_(layer, 5, 0.0)
    assert (network(x) - x).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("groups", "inputs", "outputs"), [(2, 4, 8), (3, 6, 3), (3, 3, 3), (1, 1, 4), (1, 3, 5)]
)
def test_the_kernel_is_equation_5(groups, inputs, outputs):
    layer = nn.Conv2d(inputs, outputs, 3)
    identity_(layer, groups, 0.0)
    for b in range(outputs):
        for a in range(inputs):
            same_group = a * groups // inputs == b * groups // outputs
            wanted = torch.zeros(3, 3)
            wanted[1, 1] = groups / outputs if same_group else 0.0
            assert torch.equal(layer.weight[b, a], wanted)
    assert not layer.bias.any()
    torch.manual_seed(0)
    wide = nn.Conv2d(64, 128, 3)
    identity_(wide, 64, 0.01)
    noise = wide.weight[:, :, 0].detach().flatten() / (0.01 * 64 / 128)
    assert noise.std().item() == pytest.approx(1, rel=0.02)
    assert scipy.stats.kstest(noise.numpy(), "norm").pvalue > 1e-3
    assert (wide.weight[:, :, 1, 1] == 0.5).sum() == 128


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", ["basic", "large"])
def test_it_takes_images_too(channels, size):
    args = {"input_shape": (channels, 28, 28), "num_classes": 10, "size": size, "width": 0.25}
    network = create_model("context_module", **args)
    assert network(torch.rand(2, channels, 28, 31)).shape == (2, 10, 28, 31)


def test_an_unknown_size_is_refused():
    with pytest.raises(DlgbenchError, match="no size of context_module is called 'small'"):
        create_model("context_module", size="small")
