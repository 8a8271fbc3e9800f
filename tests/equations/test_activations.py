import math

import pytest
import torch
import torch.nn.functional as F

from dlgbench.equations.activations import ACTIVATIONS

TORCH = {
    "step": lambda a: torch.heaviside(a.detach(), torch.ones_like(a)) + 0 * a,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
}


def test_each_has_a_counterpart_in_torch():
    assert list(ACTIVATIONS) == list(TORCH)


@pytest.mark.parametrize("name", TORCH)
def test_values_and_derivatives_are_torchs(name):
    usual = torch.linspace(-6, 6, 241, dtype=torch.float64)
    extreme = torch.tensor([-800.0, -40.0, 0.0, 40.0, 800.0], dtype=torch.float64)
    a = torch.cat([usual, extreme]).requires_grad_()
    z = TORCH[name](a)
    (derivative,) = torch.autograd.grad(z.sum(), a)
    z, a = z.detach(), a.detach()
    assert torch.allclose(ACTIVATIONS[name].g(a), z, rtol=0, atol=1e-10)
    assert torch.allclose(ACTIVATIONS[name].derivative(a), derivative, rtol=0, atol=1e-10)
    assert ACTIVATIONS[name].g(a).dtype == ACTIVATIONS[name].derivative(a).dtype == torch.float64


@pytest.mark.parametrize("name", TORCH)
def test_gradcheck(name, gradcheck):
    a = torch.tensor([-3.0, -1.1, -0.2, 0.3, 0.9, 2.5], dtype=torch.float64)  # away from the kink
    assert gradcheck(ACTIVATIONS[name].g, ACTIVATIONS[name].backward, a)


def test_the_derivative_of_another_activation_is_noticed(gradcheck):
    a = torch.tensor([-3.0, -1.1, -0.2, 0.3, 0.9, 2.5], dtype=torch.float64)
    for one in TORCH:
        for other in set(TORCH) - {one}:
            assert not gradcheck(ACTIVATIONS[one].g, ACTIVATIONS[other].backward, a), (one, other)


def test_the_sigmoid_passes_a_quarter_at_most_and_ten_of_them_a_millionth():
    a = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    most = ACTIVATIONS["sigmoid"].derivative(a).max().item()
    assert most == pytest.approx(0.25)
    assert most**10 == pytest.approx(9.5e-7, rel=0.01)
    assert ACTIVATIONS["relu"].derivative(a).max().item() ** 10 == 1


def test_the_kinks_lie_where_the_slides_put_them():
    zero = torch.zeros(1, dtype=torch.float64)
    assert ACTIVATIONS["step"].g(zero).item() == 1  # f = 1 if wx + b >= 0
    assert ACTIVATIONS["relu"].derivative(zero).item() == 0
    tanh_of_1 = (math.e - 1 / math.e) / (math.e + 1 / math.e)
    assert ACTIVATIONS["tanh"].g(zero + 1).item() == pytest.approx(tanh_of_1)
