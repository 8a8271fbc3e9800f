"""Functions to be minimized: the network is the point w, its output f(w) (slides "Gradient descent", "Momentum", "Stochastic gradient descent")."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.models import register_model


def _quadratic(w: Tensor, kappa: float) -> Tensor:
    return (
        0.5
        * (w.square() * torch.logspace(0, 1, len(w), kappa, dtype=w.dtype, device=w.device)).sum()
    )


FUNCTIONS: dict[
    str, tuple[Callable[[Tensor, float], Tensor], float | Sequence[float]]
] = {  # f(w, kappa), and its minimizer
    # 1/2 sum_i kappa^(i / (D - 1)) w_i^2: convex, L = kappa, condition number kappa.
    "quadratic": (_quadratic, 0.0),
    # sum_i w_i^4: convex, but its gradient is not Lipschitz.
    "quartic": (lambda w, _: w.pow(4).sum(), 0.0),
    # sum_i |w_i|: convex, but not smooth.
    "absolute": (lambda w, _: w.abs().sum(), 0.0),
    # (1 - x)^2 + 100 (y - x^2)^2. Rosenbrock 1960.
    "rosenbrock": (lambda w, _: (1 - w[0]).square() + 100 * (w[1] - w[0].square()).square(), 1.0),
    # (1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2. Beale 1958.
    "beale": (
        lambda w, _: sum(
            ((c - w[0] + w[0] * w[1] ** k).square() for k, c in enumerate((1.5, 2.25, 2.625), 1)),
            w.new_zeros(()),
        ),
        (3.0, 0.5),
    ),
}


class Function(nn.Module):
    """f(w) for a parameter w (D,) that starts at `start`; the input only says how often the answer is wanted: (B, ...) -> (B,)."""

    def __init__(self, name: str, start: Sequence[float], kappa: float) -> None:
        super().__init__()
        self.of, minimizer = FUNCTIONS[name]
        self.kappa = kappa
        self.w = nn.Parameter(torch.tensor(start, dtype=torch.float32))
        self.register_buffer("minimizer", torch.tensor(minimizer).expand(len(start)).clone())

    def forward(self, x: Tensor) -> Tensor:
        """F(w), once for each row of x."""
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
    """A function by name (`FUNCTIONS`), from a starting point; `kappa` is the quadratic's condition number and its gradient's Lipschitz constant L.

    Raises:
        DlgbenchError: for an unknown function, or a start of the wrong dimension.
    """
    del input_shape, num_classes  # every other model has them; f takes nothing
    if name not in FUNCTIONS:
        raise unknown("function", name, FUNCTIONS)
    if name in ("rosenbrock", "beale") and len(start) != 2:
        raise DlgbenchError(
            f"model function: {name} has two variables; a start of {len(start)} came"
        )
    if not start:
        raise DlgbenchError("model function: a start of at least one number is wanted; () came")
    return Function(name, start, kappa)
