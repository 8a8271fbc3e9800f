"""The curve that a regression of one number draws through its points (slide "Reminder: Overfitting, in images")."""

from __future__ import annotations

import numpy as np
import torch
from numpy.polynomial.legendre import legvander

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Figures, Subject

GRID = 201  # points of the curve


def fit(subject: Subject) -> Figures:
    """The network's z on u = -1 ... 1 and the training points (u, y), for inputs that are Legendre's polynomials P_0(u) ... P_D(u), so that column 1 is u.

    `fit/swing` is max |z| between the points as on them: an over-fitted polynomial swings. The curves, for pictures: `fit/u` and `fit/curve` on a grid of
    201 points, `fit/points_u` and `fit/points_y` in the order of u.

    Raises:
        DlgbenchError: for other inputs, such as standardized ones, or a y of more than one number.
    """
    x, y = subject.data("fit")
    if x.dim() != 2 or x.shape[1] < 2 or not _legendre(x) or y.shape[1:] != (1,):
        raise DlgbenchError(
            "probe fit wants Legendre's polynomials P_0(u), P_1(u), ... for inputs (data polynomial, data_args standardize=False) and one number for y; "
            f"inputs of shape {tuple(x.shape[1:])} and y of shape {tuple(y.shape[1:])} came"
        )
    grid = np.linspace(-1, 1, GRID)
    with torch.no_grad():
        z = subject.network.eval()(torch.as_tensor(legvander(grid, x.shape[1] - 1)).to(x))[
            :, 0
        ].tolist()
    u, order = x[:, 1], x[:, 1].argsort()
    curves = {
        "fit/u": grid.tolist(),
        "fit/curve": z,
        "fit/points_u": u[order].tolist(),
        "fit/points_y": y[order, 0].tolist(),
    }
    return {"fit/points": len(x), "fit/swing": max(map(abs, z))}, curves if subject.pictures else {}


def _legendre(x: torch.Tensor) -> bool:
    wanted = torch.as_tensor(legvander(x[:, 1].double().cpu().numpy(), x.shape[1] - 1)).to(x)
    return bool(torch.allclose(x, wanted, atol=1e-4))
