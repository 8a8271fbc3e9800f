"""Activation functions g(a) by name. The built-in ones register themselves here."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgbench.registry import ACTIVATIONS, register_activation

# a. The only one that does not end a hidden layer, see `is_hidden`.
register_activation("identity")(nn.Identity)


@register_activation("step")
class Step(nn.Module):
    """g(a) = 1 for a >= 0, else 0: the Heaviside function of the perceptron (Rosenblatt 1958).

    Slides "Machine Learning 101: Linear Classifier", "Perceptrons (60's)". g'(a) = 0 wherever it is
    defined, and the backward pass uses 0 everywhere: no gradient reaches the layers below.
    """

    def forward(self, a: Tensor) -> Tensor:
        """g(a), of the shape of a."""
        return (torch.sign(a) + 1).sign()


# 1 / (1 + exp(-a))
register_activation("sigmoid")(nn.Sigmoid)
# (exp(a) - exp(-a)) / (exp(a) + exp(-a))
register_activation("tanh")(nn.Tanh)
# max(0, a)
register_activation("relu")(nn.ReLU)
# max(0, a) + 0.01 min(0, a). Maas et al. 2013.
register_activation("leaky_relu")(nn.LeakyReLU)
# a for a > 0, else exp(a) - 1. Clevert et al. 2016.
register_activation("elu")(nn.ELU)
# a Phi(a), Phi the standard normal distribution function. Hendrycks & Gimpel 2016.
register_activation("gelu")(nn.GELU)
# a / (1 + exp(-a)). Elfwing et al. 2018; Swish, Ramachandran et al. 2017.
register_activation("silu")(nn.SiLU)


def activation(name: str) -> nn.Module:
    """A new module that computes g(a), by name.

    Raises:
        DlgbenchError: for a name that is not registered.
    """
    return ACTIVATIONS[name].make()


def is_hidden(module: nn.Module) -> bool:
    """Whether a module ends a hidden layer: a registered activation other than the identity."""
    classes = tuple(part.make for name, part in ACTIVATIONS.items() if name != "identity")
    return isinstance(module, classes)
