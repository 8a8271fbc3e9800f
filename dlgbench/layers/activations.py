"""Activation functions by name, g(a)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgbench.errors import unknown


class Step(nn.Module):
    """g(a) = 1 for a >= 0, else 0 (Heaviside; Rosenblatt 1958; slides "Machine Learning 101: Linear Classifier", "Perceptrons (60's)").

    g'(a) = 0 wherever it is defined, and that is what backward passes on: no gradient reaches what lies below.
    """

    def forward(self, a: Tensor) -> Tensor:
        """g(a), of the shape of a."""
        return (torch.sign(a) + 1).sign()


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,  # a
    "step": Step,  # 1 for a >= 0, else 0; its gradient is zero
    "sigmoid": nn.Sigmoid,  # 1 / (1 + exp(-a))
    "tanh": nn.Tanh,  # (exp(a) - exp(-a)) / (exp(a) + exp(-a))
    "relu": nn.ReLU,  # max(0, a)
    "leaky_relu": nn.LeakyReLU,  # max(0, a) + 0.01 min(0, a). Maas et al. 2013
    "elu": nn.ELU,  # a for a > 0, else exp(a) - 1. Clevert et al. 2016
    "gelu": nn.GELU,  # a Phi(a), Phi the standard normal distribution function. Hendrycks & Gimpel 2016
    "silu": nn.SiLU,  # a / (1 + exp(-a)). Elfwing et al. 2018; Swish, Ramachandran et al. 2017
}
HIDDEN = tuple(
    kind for name, kind in ACTIVATIONS.items() if name != "identity"
)  # what ends a hidden layer


def activation(name: str) -> nn.Module:
    """A fresh module g with g(a) by name.

    Raises:
        DlgbenchError: for a name that is not in `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()
