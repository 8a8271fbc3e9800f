"""Functions to be minimized: the network's parameter is the point w, its output f(w).

Slides "Gradient descent", "Momentum", "Stochastic gradient descent".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.registry import register_model


def _quadratic(w: Tensor, kappa: float) -> Tensor:
    """1/2 sum_i kappa^(i / (D - 1)) w_i^2: convex, L = kappa, condition number kappa."""
    curvature = torch.logspace(0, 1, len(w), kappa, dtype=w.dtype, device=w.device)
    return 0.5 * (w.square() * curvature).sum()


def _quartic(w: Tensor, _kappa: float) -> Tensor:
    """sum_i w_i^4: convex, but its gradient is not Lipschitz."""
    return w.pow(4).sum()


def _absolute(w: Tensor, _kappa: float) -> Tensor:
    """sum_i |w_i|: convex, but not smooth."""
    return w.abs().sum()


def _rosenbrock(w: Tensor, _kappa: float) -> Tensor:
    """(1 - x)^2 + 100 (y - x^2)^2. Rosenbrock 1960."""
    return (1 - w[0]).square() + 100 * (w[1] - w[0].square()).square()


def _beale(w: Tensor, _kappa: float) -> Tensor:
    """(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2. Beale 1958."""
    constants = enumerate((1.5, 2.25, 2.625), 1)
    terms = ((c - w[0] + w[0] * w[1] ** k).square() for k, c in constants)
    return sum(terms, w.new_zeros(()))


# Name: f(w, kappa), and the point that minimizes it (a number: in all coordinates).
FUNCTIONS: dict[str, tuple[Callable[[Tensor, float], Tensor], float | Sequence[float]]] = {
    "quadratic": (_quadratic, 0.0),
    "quartic": (_quartic, 0.0),
    "absolute": (_absolute, 0.0),
    "rosenbrock": (_rosenbrock, 1.0),
    "beale": (_beale, (3.0, 0.5)),
}


class Function(nn.Module):
    """f(w) for a parameter w of shape (D,) that starts at `start`.

    The input only sets how often the value is returned. Shapes: (B, ...) -> (B,).
    """

    def __init__(self, name: str, start: Sequence[float], kappa: float) -> None:
        super().__init__()
        self.of, minimizer = FUNCTIONS[name]
        self.kappa = kappa
        self.w = nn.Parameter(torch.tensor(start, dtype=torch.float32))
        self.register_buffer("minimizer", torch.tensor(minimizer).expand(len(start)).clone())

    def forward(self, x: Tensor) -> Tensor:
        """The value f(w), once for each row of x."""
        return self.of(self.w, self.kappa).expand(len(x))


@register_model(
    "function",
    family="Test functions",
    year=1958,
    paper="Beale 1958; Rosenbrock 1960, Comput. J. 3",
    task="minimization",
    proof="tests/models/test_function.py::test_functions_by_hand",
)
def function(
    input_shape: Sequence[int] = (1,),
    num_classes: int = 1,
    *,
    name: str = "quadratic",
    start: Sequence[float] = (1.0, 1.0),
    kappa: float = 100.0,
) -> Function:
    """A function of `FUNCTIONS`, with its starting point.

    Args:
        input_shape, num_classes: unused; every other model has them.
        name: a name of `FUNCTIONS`.
        start: the initial w.
        kappa: the quadratic's condition number, and the Lipschitz constant L of its gradient.

    Raises:
        DlgbenchError: for an unknown function, or a start of the wrong dimension.
    """
    del input_shape, num_classes
    if name not in FUNCTIONS:
        raise unknown("function", name, FUNCTIONS)
    if name in ("rosenbrock", "beale") and len(start) != 2:
        raise DlgbenchError(
            f"model function: {name}: expected a start of 2 numbers, got {len(start)}"
        )
    if not start:
        raise DlgbenchError("model function: expected a start of at least 1 number, got ()")
    return Function(name, start, kappa)
