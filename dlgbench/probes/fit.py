"""The curve that a regression of one number fits to its points.

Slide "Reminder: Overfitting, in images".
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.polynomial.legendre import legvander

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject, to_array

GRID = 201  # points of the curve


def fit(subject: Subject) -> Measurement:
    """The network's output z on u = -1 ... 1, and the training points (u, y).

    The inputs have to be Legendre's polynomials P_0(u) ... P_D(u), so that column 1 is u. The
    metric `fit/swing` is max |z| over a grid of 201 values of u, between the training points too:
    an over-fitted polynomial swings there. Arrays: `fit/curve` (201, 2) with columns u and z, and
    `fit/points` (n, 2) with columns u and y, in the order of u.

    Raises:
        DlgbenchError: for other inputs, such as standardized ones, or a y of more than one number.
    """
    x, y = subject.data("fit")
    if x.dim() != 2 or x.shape[1] < 2 or not _legendre(x) or y.shape[1:] != (1,):
        raise DlgbenchError(
            "probe fit: expected Legendre's polynomials P_0(u), P_1(u), ... as inputs (data "
            "polynomial, data_args standardize=False) and one number as y, "
            f"got inputs of shape {tuple(x.shape[1:])} and y of shape {tuple(y.shape[1:])}"
        )
    grid = np.linspace(-1, 1, GRID)
    polynomials = torch.as_tensor(legvander(grid, x.shape[1] - 1)).to(x)
    with torch.no_grad():
        z = subject.network.eval()(polynomials)[:, 0].tolist()
    order = x[:, 1].argsort()
    points = torch.stack([x[order, 1], y[order, 0]], 1)
    arrays = {
        "fit/curve": np.stack([grid, z], 1).astype(np.float32),
        "fit/points": to_array(points),
    }
    return Measurement({"fit/swing": max(map(abs, z))}, arrays=arrays)


def _legendre(x: torch.Tensor) -> bool:
    expected = torch.as_tensor(legvander(x[:, 1].double().cpu().numpy(), x.shape[1] - 1)).to(x)
    return bool(torch.allclose(x, expected, atol=1e-4))
