"""Networks of two inputs, drawn: where they decide, and how their hidden layers bend the plane (colah 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted
from dlgbench.probes.subject import Figures, Subject

SIDE, LINES, POINTS = 33, 17, 100


def _grid(subject: Subject, probe: str, side: int) -> tuple[Tensor, dict[str, float]]:
    """A grid of side x side points, row by row from the bottom, over the square that holds the batch, and its edges."""
    x, _ = subject.data(probe)
    if x.dim() != 2 or x.shape[1] != 2:
        raise DlgbenchError(
            f"probe {probe} wants inputs of two numbers; inputs of shape {tuple(x.shape[1:])} came"
        )
    low, high = 1.1 * float(x.min()), 1.1 * float(x.max())
    ticks = torch.linspace(low, high, side, device=x.device)
    return torch.cartesian_prod(ticks, ticks).flip(1), {f"{probe}/low": low, f"{probe}/high": high}


def boundary(subject: Subject) -> Figures:
    """The score of class 1 over that of class 0, z_1 - z_0, on a grid of 33 x 33 points of the plane, row by row; the boundary is where it is 0.

    With it the first 100 rows of the batch and their classes.
    """
    points, edges = _grid(subject, "boundary", SIDE)
    with torch.no_grad():
        z = subject.network.eval()(points)
    if z.dim() != 2 or z.shape[1] != 2:
        raise DlgbenchError(
            f"probe boundary wants a network of two classes; outputs of shape {tuple(z.shape[1:])} came"
        )
    x, y = (rows[:POINTS] for rows in subject.data("boundary"))
    curves = {
        "boundary/score": z[:, 1] - z[:, 0],
        "boundary/point_x": x[:, 0],
        "boundary/point_y": x[:, 1],
        "boundary/point_class": y.double(),
    }
    return edges, {
        name: values.tolist() for name, values in curves.items()
    } if subject.pictures else {}


def warp(subject: Subject) -> Figures:
    """Where the last hidden layer puts a grid of 17 x 17 points of the plane, and the class that each is given.

    Raises:
        DlgbenchError: for a network whose last hidden layer has other than two or three units.
    """
    points, edges = _grid(subject, "warp", LINES)
    last = next(reversed(weighted(subject.network)), None)
    if not isinstance(last, nn.Linear) or last.in_features not in (2, 3):
        raise DlgbenchError(
            f"probe warp wants a last hidden layer of two or three units; {last} came after it"
        )
    seen: list[Tensor] = []
    last.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        z = subject.network.eval()(points)
    curves = {f"warp/unit_{k}": seen[0][:, k].tolist() for k in range(last.in_features)} | {
        "warp/class": z.argmax(1).double().tolist()
    }
    return edges | {"warp/units": last.in_features}, curves if subject.pictures else {}
