"""The blocks combined, forward, backward and in training, against torch.

Slide "A Neural Network for Multi-way Classification".
"""

from functools import partial

import pytest
import torch
from torch import nn

from dlgbench.equations.activations import ACTIVATIONS
from dlgbench.equations.batchnorm import batch_norm, batch_norm_backward
from dlgbench.equations.graph import Node, sigmoidal_unit
from dlgbench.equations.linear import linear, linear_backward, with_one
from dlgbench.equations.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from dlgbench.equations.optimizers import adam, momentum_ema

ONE = torch.ones((), dtype=torch.float64)


def forward_and_backward(v, gamma, beta, w, x, y, g):
    """The loss of a = (x, 1) v; n = norm(a); z = g(n); b = (z, 1) w, and its gradients."""
    a = linear(with_one(x), v)
    n = batch_norm(a, gamma, beta)
    z = with_one(g.g(n))
    b = linear(z, w)
    d_b = softmax_cross_entropy_backward(ONE, b, y)
    d_z, d_w = linear_backward(d_b, z, w)
    d_n = g.backward(d_z[:, :-1], n)
    d_a, d_gamma, d_beta = batch_norm_backward(d_n, a, gamma)
    _, d_v = linear_backward(d_a, with_one(x), v)
    return softmax_cross_entropy(b, y), (d_v, d_gamma, d_beta, d_w)


def from_torch(layer, take=lambda parameter: parameter.data):
    return torch.cat([take(layer.weight).T, take(layer.bias)[None]])


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "gelu"])
@pytest.mark.parametrize(
    ("rule", "optimizer"),
    [
        (partial(momentum_ema, lr=3.0), partial(torch.optim.SGD, lr=0.3, momentum=0.9)),
        (partial(adam, lr=0.05), partial(torch.optim.Adam, lr=0.05)),
    ],
    ids=["momentum_ema", "adam"],
)
def test_a_net_trained_by_hand_is_torchs(name, rule, optimizer):
    activation = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU}[name]
    layers = nn.Linear(4, 6), nn.BatchNorm1d(6), activation(), nn.Linear(6, 3)
    first, norm, _, last = network = nn.Sequential(*layers).double()
    x = torch.randn(12, 4, dtype=torch.float64)
    y = x[:, :3].argmax(1)
    scale_and_shift = norm.weight.data.clone(), norm.bias.data.clone()
    parameters = [from_torch(first), *scale_and_shift, from_torch(last)]
    memories, losses = [()] * 4, []
    optimizer = optimizer(network.parameters())
    for _ in range(50):
        loss, gradients = forward_and_backward(*parameters, x, y, ACTIVATIONS[name])
        optimizer.zero_grad()
        expected = nn.functional.cross_entropy(network(x), y)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), abs=1e-10)
        losses.append(loss.item())
        d_first, d_last = (from_torch(layer, lambda p: p.grad) for layer in (first, last))
        autograds = [d_first, norm.weight.grad, norm.bias.grad, d_last]
        for pair in zip(gradients, autograds, strict=True):
            assert torch.allclose(*pair, rtol=0, atol=1e-10)
        optimizer.step()
        before = zip(parameters, gradients, memories, strict=True)
        after = [rule(w, g, *memory) for w, g, memory in before]
        parameters, memories = [w for w, _ in after], [(state,) for _, state in after]
    assert losses[-1] < 0.7 * losses[0]


def test_the_scalar_graph_and_the_blocks_agree():
    w0, x0, w1, x1, w2 = values = 2.0, -1.0, -3.0, -2.0, -3.0
    nodes = [Node(value) for value in values]
    f = sigmoidal_unit(*nodes)
    f.backward()
    z = with_one(torch.tensor([[x0, x1]], dtype=torch.float64))
    w = torch.tensor([[w0], [w1], [w2]], dtype=torch.float64)
    a = linear(z, w)
    d_z, d_w = linear_backward(ACTIVATIONS["sigmoid"].backward(torch.ones_like(a), a), z, w)
    assert ACTIVATIONS["sigmoid"].g(a).item() == pytest.approx(f.value, abs=1e-10)
    gradients = [d_w[0], d_z[0, 0], d_w[1], d_z[0, 1], d_w[2]]  # in the order of `values`
    expected = pytest.approx([node.gradient for node in nodes], abs=1e-10)
    assert [gradient.item() for gradient in gradients] == expected
