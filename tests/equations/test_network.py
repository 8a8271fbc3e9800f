"""The bricks together: "A Neural Network for Multi-way Classification", its forward and backward mode, and its training, against torch's."""

from functools import partial

import pytest
import torch
from torch import nn

from dlgbench.equations.activations import ACTIVATIONS
from dlgbench.equations.batchnorm import batch_norm, batch_norm_backward
from dlgbench.equations.graph import Node, sigmoidal_unit
from dlgbench.equations.linear import linear, linear_backward, with_one
from dlgbench.equations.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from dlgbench.equations.optimizers import adam, ema

ONE = torch.ones((), dtype=torch.float64)


def forward_and_backward(v, gamma, beta, w, x, y, g):
    """a = (x, 1) v; n = norm(a); z = g(n); b = (z, 1) w; the loss, and its gradients back through the same bricks."""
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
        (partial(ema, lr=3.0), partial(torch.optim.SGD, lr=0.3, momentum=0.9)),
        (partial(adam, lr=0.05), partial(torch.optim.Adam, lr=0.05)),
    ],
    ids=["ema", "adam"],
)
def test_a_net_trained_by_hand_is_torchs(name, rule, optimizer):
    activation = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU}[name]
    network = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), activation(), nn.Linear(6, 3)
    ).double()
    x = torch.randn(12, 4, dtype=torch.float64)
    y = x[:, :3].argmax(1)
    parameters = [
        from_torch(network[0]),
        network[1].weight.data.clone(),
        network[1].bias.data.clone(),
        from_torch(network[3]),
    ]
    memories, losses = [()] * 4, []
    optimizer = optimizer(network.parameters())
    for _ in range(50):
        loss, gradients = forward_and_backward(*parameters, x, y, ACTIVATIONS[name])
        optimizer.zero_grad()
        expected = nn.functional.cross_entropy(network(x), y)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), abs=1e-10)
        losses.append(loss.item())
        wanted = [
            from_torch(network[0], lambda p: p.grad),
            network[1].weight.grad,
            network[1].bias.grad,
            from_torch(network[3], lambda p: p.grad),
        ]
        assert all(
            torch.allclose(one, other, rtol=0, atol=1e-10)
            for one, other in zip(gradients, wanted, strict=True)
        )
        optimizer.step()
        stepped = [
            rule(w, g, *memory)
            for w, g, memory in zip(parameters, gradients, memories, strict=True)
        ]
        parameters, memories = [w for w, _ in stepped], [(state,) for _, state in stepped]
    assert losses[-1] < 0.7 * losses[0]


def test_the_scalar_graph_and_the_bricks_are_one():
    w0, x0, w1, x1, w2 = values = 2.0, -1.0, -3.0, -2.0, -3.0
    nodes = [Node(value) for value in values]
    f = sigmoidal_unit(*nodes)
    f.backward()
    z, w = (
        with_one(torch.tensor([[x0, x1]], dtype=torch.float64)),
        torch.tensor([[w0], [w1], [w2]], dtype=torch.float64),
    )
    a = linear(z, w)
    d_z, d_w = linear_backward(ACTIVATIONS["sigmoid"].backward(torch.ones_like(a), a), z, w)
    assert ACTIVATIONS["sigmoid"].g(a).item() == pytest.approx(f.value, abs=1e-10)
    assert [
        d_w[0].item(),
        d_z[0, 0].item(),
        d_w[1].item(),
        d_z[0, 1].item(),
        d_w[2].item(),
    ] == pytest.approx([node.gradient for node in nodes], abs=1e-10)
