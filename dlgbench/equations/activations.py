"""Activation functions z = g(a) and their derivatives g'(a).

Slides "Activation functions", "Vanishing Gradients Problem".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Activation(NamedTuple):
    """The function g and its derivative g', both elementwise."""

    g: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]

    def backward(self, d_z: Tensor, a: Tensor) -> Tensor:
        """dL/da = dL/dz g'(a)."""
        return d_z * self.derivative(a)


def sigmoid(a: Tensor) -> Tensor:
    """1 / (1 + exp(-a)): saturates, g' <= 1/4."""
    return 1 / (1 + torch.exp(-a))


def sigmoid_derivative(a: Tensor) -> Tensor:
    """The slide's g (1 - g), with 1 - g(a) computed as g(-a).

    Where g is near 1, the subtraction 1 - g would lose digits.
    """
    return sigmoid(a) * sigmoid(-a)


def tanh(a: Tensor) -> Tensor:
    """(exp(a) - exp(-a)) / (exp(a) + exp(-a)) = 2 sigmoid(2a) - 1."""
    return 2 * sigmoid(2 * a) - 1


def tanh_derivative(a: Tensor) -> Tensor:
    """1 - g^2 = 4 sigmoid'(2a)."""
    return 4 * sigmoid_derivative(2 * a)


def elu(a: Tensor) -> Tensor:
    """Exponential linear unit: a where a > 0, else exp(a) - 1. Clevert et al. 2016."""
    return torch.where(a > 0, a, torch.exp(a) - 1)


def elu_derivative(a: Tensor) -> Tensor:
    """1 where a > 0, else exp(a)."""
    return torch.where(a > 0, 1.0, torch.exp(a))


def normal_cdf(a: Tensor) -> Tensor:
    """Phi(a) = (1 + erf(a / sqrt(2))) / 2."""
    return (1 + torch.erf(a / math.sqrt(2))) / 2


def gelu(a: Tensor) -> Tensor:
    """Gaussian error linear unit: a Phi(a). Hendrycks & Gimpel 2016."""
    return a * normal_cdf(a)


def gelu_derivative(a: Tensor) -> Tensor:
    """Phi(a) + a phi(a), where phi(a) = exp(-a^2 / 2) / sqrt(2 pi) is Phi's derivative."""
    return normal_cdf(a) + a * torch.exp(-a.square() / 2) / math.sqrt(2 * math.pi)


def silu(a: Tensor) -> Tensor:
    """Sigmoid linear unit: a sigmoid(a). Elfwing et al. 2018."""
    return a * sigmoid(a)


def silu_derivative(a: Tensor) -> Tensor:
    """sigmoid(a) + a sigmoid'(a)."""
    return sigmoid(a) + a * sigmoid_derivative(a)


ACTIVATIONS: dict[str, Activation] = {
    # 1 where a >= 0, else 0 (slide "Machine Learning 101: Linear Classifier"); no gradient passes.
    "step": Activation(lambda a: (a >= 0).to(a.dtype), torch.zeros_like),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "tanh": Activation(tanh, tanh_derivative),
    # max(0, a); its derivative is 1 where a > 0, else 0. The slide does not say what it is at 0;
    # torch takes 0.
    "relu": Activation(lambda a: a.clamp(min=0), lambda a: (a > 0).to(a.dtype)),
    # a where a > 0, else a / 100. Maas et al. 2013.
    "leaky_relu": Activation(
        lambda a: torch.where(a > 0, a, 0.01 * a),
        lambda a: torch.where(a > 0, 1.0, torch.full_like(a, 0.01)),
    ),
    "elu": Activation(elu, elu_derivative),
    "gelu": Activation(gelu, gelu_derivative),
    "silu": Activation(silu, silu_derivative),
}
