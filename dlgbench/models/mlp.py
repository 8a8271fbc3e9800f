"""Multi-layer perceptrons (slides "Multi-Layer Perceptrons", "A Neural Network for Multi-way Classification")."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from dlgbench.errors import unknown
from dlgbench.layers.activations import activation as activation_by_name
from dlgbench.models import register_model


@register_model("mlp", family="MLP", year=1986, paper="Rumelhart, Hinton & Williams 1986, Nature 323")
def mlp(
    input_shape: Sequence[int] = (1, 28, 28),
    num_classes: int = 10,
    *,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    norm: str = "none",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> nn.Sequential:
    """z^l = g(norm(W^l z^(l-1) + b^l)), logits = W z^L + b, for L = len(hidden).

    Shapes: (B, *input_shape) -> (B, num_classes).

    Args:
        input_shape, num_classes: shapes of an input and of the output.
        hidden: width of each hidden layer; () is the linear classifier.
        activation: g, a name of `dlgbench.layers.activations`.
        norm: `none`, or `batch` for batch normalization before g (Ioffe & Szegedy 2015).
        dropout, input_dropout: the share of units that is *dropped* after each g, and of the inputs; the paper's p is
            what is retained (Srivastava et al. 2014). Test time rescales nothing: what is kept is divided by 1 - dropout in training.

    Raises:
        DlgbenchError: for an unknown activation or norm.
    """
    if norm not in ("none", "batch"):
        raise unknown("norm", norm, ("none", "batch"))
    layers: list[nn.Module] = [nn.Flatten()]
    if input_dropout:
        layers.append(nn.Dropout(input_dropout))
    width = math.prod(input_shape)
    for units in hidden:
        layers.append(nn.Linear(width, units))
        if norm == "batch":
            layers.append(nn.BatchNorm1d(units))
        layers.append(activation_by_name(activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = units
    return nn.Sequential(*layers, nn.Linear(width, num_classes))
