import math

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.layers.activations import ACTIVATIONS, activation


def phi(a):
    return math.exp(-a * a / 2) / math.sqrt(2 * math.pi)


def cdf(a):
    return (1 + math.erf(a / math.sqrt(2))) / 2


def sigma(a):
    return 1 / (1 + math.exp(-a))


EQUATIONS = {  # g(a) and g'(a)
    "identity": (lambda a: a, lambda _: 1),
    "step": (lambda a: float(a >= 0), lambda _: 0),
    "sigmoid": (sigma, lambda a: sigma(a) * (1 - sigma(a))),
    "tanh": (math.tanh, lambda a: 1 - math.tanh(a) ** 2),
    "relu": (lambda a: max(0, a), lambda a: float(a > 0)),
    "leaky_relu": (lambda a: max(0, a) + 0.01 * min(0, a), lambda a: 1 if a > 0 else 0.01),
    "elu": (lambda a: a if a > 0 else math.expm1(a), lambda a: 1 if a > 0 else math.exp(a)),
    "gelu": (lambda a: a * cdf(a), lambda a: cdf(a) + a * phi(a)),
    "silu": (lambda a: a * sigma(a), lambda a: sigma(a) * (1 + a * (1 - sigma(a)))),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_is_its_equation_and_so_is_its_gradient(name):
    g, slope = EQUATIONS[name]
    a = torch.tensor(
        [-30.0, -4.0, -1.0, -0.3, -1e-3, 1e-3, 0.2, 1.0, 2.5, 30.0],
        dtype=torch.float64,
        requires_grad=True,
    )
    z = activation(name)(a)
    z.sum().backward()
    assert z.tolist() == pytest.approx([g(v) for v in a.tolist()], abs=1e-12)
    assert a.grad.tolist() == pytest.approx([slope(v) for v in a.tolist()], abs=1e-12)


def test_step_is_one_at_zero_and_lets_no_gradient_through():
    network = nn.Sequential(nn.Linear(3, 4), activation("step"), nn.Linear(4, 2))
    assert activation("step")(torch.tensor([-0.0, 0.0, -1e-30, 1e-30])).tolist() == [1, 1, 0, 1]
    network(torch.randn(5, 3)).square().sum().backward()
    assert network[0].weight.grad.abs().sum() == 0
    assert network[2].weight.grad.abs().sum() > 0


def test_an_unknown_name_is_said():
    with pytest.raises(DlgbenchError, match="no activation is called 'leaky'"):
        activation("leaky")
