"""Our networks against torchvision's."""

import pytest
import torch
import torchvision
from torch import nn
from torch.func import functional_call

from dlgbench import create_model

WIDTH = 1 / 8  # of each layer's, so that the largest networks cost little; all divide by 8
SHAPE = (3, 64, 96)  # not square: axes can't be swapped unseen


@pytest.fixture
def both_on_meta():
    """`both_on_meta(name, theirs=..., **ours)`: our network and torchvision's, without memory."""

    def both_on_meta(name, *, theirs=None, **ours):
        with torch.device("meta"):
            network = getattr(torchvision.models, name)(weights=None, **(theirs or {}))
            return create_model(name, **ours), network

    return both_on_meta


@pytest.fixture
def assert_same_shapes(both_on_meta):
    """Every parameter and buffer has torchvision's shape, and there are `count` parameters."""

    def assert_same_shapes(name, count, **args):
        ours, theirs = both_on_meta(name, **args)
        shapes, wanted = ([v.shape for v in net.state_dict().values()] for net in (ours, theirs))
        assert shapes == wanted
        assert sum(p.numel() for p in ours.parameters()) == count

    return assert_same_shapes


def values_like(network):
    """A value of its own for each weight and statistic, so that no two can be swapped unseen."""
    values = {}
    for name, tensor in network.state_dict().items():
        values[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)  # num_batches_tracked stays 0
        if tensor.dim() > 1:
            nn.init.kaiming_normal_(values[name])
        elif tensor.dim():
            values[name].uniform_(0.5, 1.5)
    return values


def run(network, values, x, d_outputs, heads):
    """Outputs in evaluation; outputs, gradients and statistics of a training step."""
    values = {name: value.clone() for name, value in values.items()}
    with torch.no_grad():
        evaluated = functional_call(network.eval(), values, x)
    parameters = [values[name].requires_grad_() for name, _ in network.named_parameters()]
    torch.manual_seed(1)  # the same units are dropped
    trained = functional_call(network.train(), values, x)
    outputs = [getattr(trained, head) for head in heads] if heads else [trained]
    loss = sum((y * d_y).sum() for y, d_y in zip(outputs, d_outputs, strict=True))
    gradients = torch.autograd.grad(loss, parameters)
    statistics = [values[name] for name, _ in network.named_buffers()]
    return [evaluated], outputs, gradients, statistics


@pytest.fixture
def assert_same_results(both_on_meta):
    """Torchvision's weights give torchvision's outputs, gradients and running statistics.

    In float64, with narrow layers: torchvision's network gets tensors of our narrow shapes. Where
    training gives several outputs, `heads` has our names of them and torchvision's.
    """

    def assert_same_results(name, theirs=None, heads=None, **ours):
        heads = heads or {}
        args = {"input_shape": SHAPE, "num_classes": 5, "width": WIDTH, **ours}
        mine, other = both_on_meta(name, theirs={"num_classes": 5, **(theirs or {})}, **args)
        torch.manual_seed(0)
        values = values_like(mine.double())
        renamed = dict(zip(other.state_dict(), values.values(), strict=True))
        x = torch.rand(2, *SHAPE, dtype=torch.float64)
        d_outputs = torch.randn(max(1, len(heads)), 2, 5, dtype=torch.float64)
        got = run(mine, values, x, d_outputs, heads.keys())
        wanted = run(other.double(), renamed, x, d_outputs, heads.values())
        for group, other_group in zip(got, wanted, strict=True):
            # Relative to the largest: a gradient that a normalization cancels is rounding alone.
            scale = max((b.detach().abs().max().item() for b in other_group), default=0)
            for a, b in zip(group, other_group, strict=True):
                assert b.any()
                torch.testing.assert_close(a, b, rtol=0, atol=1e-12 * scale)

    return assert_same_results
