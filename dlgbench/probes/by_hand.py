"""The lecture's backpropagation by hand against automatic differentiation (slides "Backpropagation", "Linear layer", "Chain rule")."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from dlgbench.equations import graph, linear, losses
from dlgbench.probes.subject import Figures, Subject


def _away(ours: Tensor, wanted: Tensor) -> float:
    """Max |ours - wanted| / max |wanted|; 1 where the shapes differ."""
    return (
        float((ours - wanted).abs().max() / wanted.abs().max())
        if ours.shape == wanted.shape
        else 1.0
    )


def _gradient(of: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    leaves = [value.clone().requires_grad_() for value in inputs]
    return torch.autograd.grad(of(*leaves).sum(), leaves)


def by_hand(_subject: Subject) -> Figures:
    """Relative error of `dlgbench.equations`'s gradients against torch.autograd's, in float64, on fixed random inputs.

    The toy sigmoidal unit of the blocks 1/x, c + x, exp, a x; the linear layer b_h = sum_m z_m w_mh, to its input and to its weights; softmax
    cross-entropy. And three sabotages, which must be found out: the gradient of the input of one output c alone, without the sum over c; the gradient
    of the weights without the sum over the examples; and w not transposed in the gradient of the input.
    """
    random = torch.Generator().manual_seed(0)
    z, w, d = (
        torch.randn(7, 5, generator=random).double(),
        torch.randn(5, 5, generator=random).double(),
        torch.randn(7, 5, generator=random).double(),
    )
    y = torch.randint(0, 5, (7,), generator=random)
    unit = [graph.Node(value) for value in (2.0, -1.0, -3.0, -2.0, -3.0)]
    graph.sigmoidal_unit(*unit).backward()
    values = torch.tensor([node.value for node in unit], dtype=torch.float64)
    (wanted_unit,) = _gradient(lambda v: torch.sigmoid(v[0] * v[1] + v[2] * v[3] + v[4]), values)
    wanted_z, wanted_w = _gradient(lambda a, b: (a @ b) * d, z, w)
    ours_z, ours_w = linear.linear_backward(d, z, w)
    (wanted_b,) = _gradient(lambda b: F.cross_entropy(b, y), z)
    return {
        "by_hand/unit": _away(
            torch.tensor([node.gradient for node in unit], dtype=torch.float64), wanted_unit
        ),
        "by_hand/linear_input": _away(ours_z, wanted_z),
        "by_hand/linear_weight": _away(ours_w, wanted_w),
        "by_hand/cross_entropy": _away(
            losses.softmax_cross_entropy_backward(torch.ones((), dtype=torch.float64), z, y),
            wanted_b,
        ),
        "by_hand/one_output": _away(d[:, :1] @ w[:, :1].T, wanted_z),
        "by_hand/without_sum": _away(z[:1].T @ d[:1], wanted_w),
        "by_hand/not_transposed": _away(d @ w, wanted_z),
    }, {}
