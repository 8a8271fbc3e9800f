"""Networks of two inputs on the plane: their decisions, and how their hidden layers bend it.

Olah 2014, "Neural Networks, Manifolds, and Topology", colah.github.io.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted
from dlgbench.probes.subject import Measurement, Subject, to_array

SIDE, LINES, POINTS = 33, 17, 100


def _grid(subject: Subject, probe: str, side: int) -> tuple[Tensor, Tensor]:
    """Points (side * side, 2) of a grid over the square that holds the batch, and its extent.

    The points run row by row from the bottom, in a row from the left. The extent is
    (left, right, bottom, top).
    """
    x, _ = subject.data(probe)
    if x.dim() != 2 or x.shape[1] != 2:
        raise DlgbenchError(
            f"probe {probe}: expected inputs of two numbers, "
            f"got inputs of shape {tuple(x.shape[1:])}"
        )
    low, high = 1.1 * float(x.min()), 1.1 * float(x.max())
    ticks = torch.linspace(low, high, side, device=x.device)
    return torch.cartesian_prod(ticks, ticks).flip(1), torch.tensor([low, high, low, high])


def boundary(subject: Subject) -> Measurement:
    """The score of class 1 over that of class 0, z_1 - z_0, on a grid of 33 x 33 points.

    The decision boundary is where it is 0. Arrays: `boundary/score` (33, 33), whose row 0 is the
    bottom of the plane and column 0 its left; `boundary/extent` (left, right, bottom, top);
    `boundary/points` (n, 2) and `boundary/point_class` (n,), the first 100 rows of the batch.

    Raises:
        DlgbenchError: for inputs of other than two numbers, or a network of other than two classes.
    """
    grid, extent = _grid(subject, "boundary", SIDE)
    with torch.no_grad():
        z = subject.network.eval()(grid)
    if z.dim() != 2 or z.shape[1] != 2:
        raise DlgbenchError(
            "probe boundary: expected a network with two classes, "
            f"got outputs of shape {tuple(z.shape[1:])}"
        )
    points, classes = (rows[:POINTS] for rows in subject.data("boundary"))
    arrays = {
        "boundary/score": (z[:, 1] - z[:, 0]).view(SIDE, SIDE),
        "boundary/extent": extent,
        "boundary/points": points,
        "boundary/point_class": classes,
    }
    return Measurement(arrays={name: to_array(values) for name, values in arrays.items()})


def warp(subject: Subject) -> Measurement:
    """Where the last hidden layer maps a grid of 17 x 17 points of the plane.

    Arrays: `warp/units` (17, 17, units), the activations of the layer, whose row 0 is the bottom of
    the plane and column 0 its left; `warp/class` (17, 17), the class that each point is given;
    `warp/extent` (left, right, bottom, top) of the grid.

    Raises:
        DlgbenchError: for inputs of other than two numbers, or a network whose last hidden layer
            has other than two or three units.
    """
    grid, extent = _grid(subject, "warp", LINES)
    last = next(reversed(weighted(subject.network)), None)
    if not isinstance(last, nn.Linear) or last.in_features not in (2, 3):
        raise DlgbenchError(
            "probe warp: expected a last hidden layer of two or three units, "
            f"got {last} as the layer after it"
        )
    inputs: list[Tensor] = []
    last.register_forward_pre_hook(lambda _module, args: inputs.append(args[0]))
    with torch.no_grad():
        z = subject.network.eval()(grid)
    arrays = {
        "warp/units": inputs[0].view(LINES, LINES, last.in_features),
        "warp/class": z.argmax(1).view(LINES, LINES),
        "warp/extent": extent,
    }
    return Measurement(arrays={name: to_array(values) for name, values in arrays.items()})
