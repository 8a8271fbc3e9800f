"""The lecture's backpropagation by hand against automatic differentiation.

Slides "Backpropagation", "Linear layer", "Chain rule".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from dlgbench.equations import graph, linear, losses
from dlgbench.probes.subject import Measurement, Subject


def _relative_error(actual: Tensor, expected: Tensor) -> float:
    """Max |actual - expected| / max |expected|; 1 where the shapes differ."""
    if actual.shape != expected.shape:
        return 1.0
    return float((actual - expected).abs().max() / expected.abs().max())


def _gradient(of: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    leaves = [value.clone().requires_grad_() for value in inputs]
    return torch.autograd.grad(of(*leaves).sum(), leaves)


def by_hand(_subject: Subject) -> Measurement:
    """Relative error of the gradients of `dlgbench.equations` against those of torch.autograd.

    All are in float64, on fixed random inputs: the toy sigmoidal unit of the blocks 1/x, c + x,
    exp, a x; the linear layer b_h = sum_m z_m w_mh, with respect to its input and to its weights;
    softmax cross-entropy. Three wrong formulas, which must have a large error, are measured too:
    the gradient of the input of one output c alone, without the sum over c; the gradient of the
    weights without the sum over the examples; and the gradient of the input with w not transposed.
    """
    random = torch.Generator().manual_seed(0)
    z = torch.randn(7, 5, generator=random).double()
    w = torch.randn(5, 5, generator=random).double()
    d = torch.randn(7, 5, generator=random).double()
    y = torch.randint(0, 5, (7,), generator=random)
    unit = [graph.Node(value) for value in (2.0, -1.0, -3.0, -2.0, -3.0)]
    graph.sigmoidal_unit(*unit).backward()
    values = torch.tensor([node.value for node in unit], dtype=torch.float64)
    unit_gradient = torch.tensor([node.gradient for node in unit], dtype=torch.float64)
    (expected_unit,) = _gradient(lambda v: torch.sigmoid(v[0] * v[1] + v[2] * v[3] + v[4]), values)
    expected_z, expected_w = _gradient(lambda a, b: (a @ b) * d, z, w)
    z_gradient, w_gradient = linear.linear_backward(d, z, w)
    (expected_b,) = _gradient(lambda b: F.cross_entropy(b, y), z)
    one = torch.ones((), dtype=torch.float64)
    b_gradient = losses.softmax_cross_entropy_backward(one, z, y)
    pairs = {
        "by_hand/unit": (unit_gradient, expected_unit),
        "by_hand/linear_input": (z_gradient, expected_z),
        "by_hand/linear_weight": (w_gradient, expected_w),
        "by_hand/cross_entropy": (b_gradient, expected_b),
        "by_hand/one_output": (d[:, :1] @ w[:, :1].T, expected_z),
        "by_hand/without_sum": (z[:1].T @ d[:1], expected_w),
        "by_hand/not_transposed": (d @ w, expected_z),
    }
    return Measurement({name: _relative_error(*pair) for name, pair in pairs.items()})
