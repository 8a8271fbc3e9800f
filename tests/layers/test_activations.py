import math
from pathlib import Path

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.layers import activations
from dlgbench.layers.activations import activation, is_hidden
from dlgbench.registry import ACTIVATIONS, register_activation


def phi(a):
    return math.exp(-a * a / 2) / math.sqrt(2 * math.pi)


def cdf(a):
    return (1 + math.erf(a / math.sqrt(2))) / 2


def sigma(a):
    return 1 / (1 + math.exp(-a))


EQUATIONS = {  # g(a) and g'(a), at a kink the subgradient that the backward pass uses
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


def test_each_built_in_activation_has_its_equation_here():
    built_in = [
        name for name, part in ACTIVATIONS.items() if part.file == Path(activations.__file__)
    ]
    assert built_in == list(EQUATIONS)


@pytest.mark.parametrize("name", EQUATIONS)
def test_each_is_its_equation_and_so_is_its_gradient(name):
    g, slope = EQUATIONS[name]
    a = torch.tensor(
        [-30.0, -4.0, -1.0, -0.3, -1e-3, 0.0, 1e-3, 0.2, 1.0, 2.5, 30.0],
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


def test_every_activation_but_the_identity_ends_a_hidden_layer():
    assert [name for name in EQUATIONS if not is_hidden(activation(name))] == ["identity"]
    assert not is_hidden(nn.Linear(2, 2))
    assert not is_hidden(nn.Sequential(nn.ReLU()))


def test_an_own_activation_is_looked_up_and_ends_a_hidden_layer(monkeypatch):
    class Square(nn.Module):
        def forward(self, a):
            return a.square()

    assert not is_hidden(Square())
    monkeypatch.setattr(ACTIVATIONS, "_parts", dict(ACTIVATIONS._parts))  # to be forgotten again
    register_activation("square")(Square)
    assert activation("square")(torch.tensor([3.0])).item() == 9
    assert is_hidden(Square())


def test_an_unknown_name_is_reported():
    with pytest.raises(DlgbenchError, match="no activation is called 'leaky'; did you mean"):
        activation("leaky")
