import itertools
import math

import pytest
import torch
from torch import nn

from dlgbench.layers.initialization import SCHEMES, build


def net(*sizes):
    return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))


@pytest.mark.parametrize(
    ("scheme", "sd"),
    [("normal", 0.01), ("slide", 0.01 / 400), ("glorot", math.sqrt(2 / (400 + 300))), ("he", math.sqrt(2 / 400)), ("orthogonal", 1 / math.sqrt(400))],
)
def test_standard_deviations_are_the_formulas(scheme, sd):
    layer = build(lambda: net(400, 300), scheme, seed=0)[0]
    assert layer.weight.std().item() == pytest.approx(sd, rel=0.02)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * sd / math.sqrt(400 * 300))
    assert not layer.bias.any()


def test_fan_in_of_a_convolution_counts_its_window():
    layer = build(lambda: nn.Sequential(nn.Conv2d(64, 128, 3)), "he", seed=0)[0]
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


def test_zero_and_orthogonal():
    assert not build(lambda: net(4, 3), "zero", 0)[0].weight.any()
    w = build(lambda: net(6, 4), "orthogonal", 0)[0].weight
    assert torch.allclose(w @ w.T, torch.eye(4), atol=1e-6)


@pytest.mark.parametrize("scheme", [*SCHEMES, "default"])
def test_equal_seeds_agree_and_others_differ(scheme):
    first, again, other, twin = (build(lambda: net(4, 3, 2), scheme, *key)[0].weight for key in ((0,), (0,), (1,), (0, 1)))
    assert torch.equal(first, again)
    if scheme != "zero":
        assert not torch.equal(first, other)
        assert not torch.equal(first, twin)


def test_layers_do_not_share_their_draws():
    network = build(lambda: net(3, 3, 3), "he", 0)
    assert not torch.equal(network[0].weight, network[1].weight)
