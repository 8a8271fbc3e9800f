"""Activation functions by name, g(a)."""

from __future__ import annotations

from torch import nn

from dlgbench.errors import unknown

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,  # a
    "sigmoid": nn.Sigmoid,  # 1 / (1 + exp(-a))
    "tanh": nn.Tanh,  # (exp(a) - exp(-a)) / (exp(a) + exp(-a))
    "relu": nn.ReLU,  # max(0, a)
}


def activation(name: str) -> nn.Module:
    """A fresh module g with g(a) by name.

    Raises:
        DlgbenchError: for a name that is not in `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()
