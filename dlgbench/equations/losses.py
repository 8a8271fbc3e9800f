"""Losses and their gradients.

Slides "Training Goal", "Objective for multi-class classification", "Training Objective for N
training samples".
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError


def l2(predicted: Tensor, y: Tensor) -> Tensor:
    """L = sum_i ||f(x^i) - y^i||^2. Shapes: two of (B, ...) -> ().

    Raises:
        DlgbenchError: for unequal shapes, which torch would broadcast.
    """
    if predicted.shape != y.shape:
        raise DlgbenchError(
            "l2: expected predictions and targets of the same shape, "
            f"got {tuple(predicted.shape)} and {tuple(y.shape)}"
        )
    return (predicted - y).square().sum()


def l2_backward(d_loss: Tensor, predicted: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """dL/df(x^i) = 2 (f(x^i) - y^i), and its negative for y^i."""
    d_predicted = d_loss * 2 * (predicted - y)
    return d_predicted, -d_predicted


def softmax(b: Tensor) -> Tensor:
    """exp(b_c) / sum_k exp(b_k). Shapes: (B, C) -> (B, C).

    The largest b_k is subtracted from all of them first: the value stays the same, and exp does not
    overflow.
    """
    e = torch.exp(b - b.amax(dim=1, keepdim=True))
    return e / e.sum(dim=1, keepdim=True)


def softmax_cross_entropy(b: Tensor, y: Tensor) -> Tensor:
    """L = -1/N sum_i log softmax(b^i)_(y^i).

    Shapes: logits (N, C), classes (N,) of integers -> ().

    Raises:
        DlgbenchError: for classes that are not N integers from 0 to C - 1.
    """
    if y.shape != b.shape[:1] or ((y < 0) | (y >= b.shape[1])).any():
        raise DlgbenchError(
            f"cross-entropy: expected {len(b)} classes from 0 to {b.shape[1] - 1}, got {y.tolist()}"
        )
    top = b.amax(dim=1)
    log_sum = top + torch.log(torch.exp(b - top[:, None]).sum(dim=1))
    return (log_sum - b[torch.arange(len(b)), y]).mean()


def softmax_cross_entropy_backward(d_loss: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """dL/db_c^i = (softmax(b^i)_c - [c = y^i]) / N. Shapes: (), (N, C), (N,) -> (N, C)."""
    d_b = softmax(b)
    d_b[torch.arange(len(b)), y] -= 1
    return d_loss * d_b / len(b)


def l2_penalty(w: Tensor, lam: float) -> Tensor:
    """The training objective's penalty lambda sum_(k,m) w_(k,m)^2 of a layer. Shapes: any -> ()."""
    return lam * w.square().sum()


def l2_penalty_backward(d_loss: Tensor, w: Tensor, lam: float) -> Tensor:
    """The gradient 2 lambda w, "weight decay" (slide "Regularization in SGD").

    torch's `weight_decay` is 2 lambda.
    """
    return d_loss * 2 * lam * w
