import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import legval, legvander
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.fit import GRID, fit
from dlgbench.probes.subject import Subject

WEIGHTS = [0.5, -1.0, 2.0, 0.25]
POINTS = np.array([0.9, -0.3, 0.1])


def subject(x=None, y=None, pictures=True):
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([WEIGHTS]))
        network[1].bias.zero_()
    x = torch.tensor(legvander(POINTS, 3), dtype=torch.float32) if x is None else x
    return Subject(
        network,
        (4,),
        (x, torch.tensor([[1.0], [2.0], [3.0]]) if y is None else y),
        pictures=pictures,
    )


def test_the_curve_is_the_polynomial_and_the_points_are_in_order():
    figures, curves = fit(subject())
    wanted = legval(np.linspace(-1, 1, GRID), WEIGHTS)
    assert curves["fit/curve"] == pytest.approx(wanted, abs=1e-5)
    assert curves["fit/u"] == pytest.approx(np.linspace(-1, 1, GRID))
    assert curves["fit/points_u"] == pytest.approx(sorted(POINTS))
    assert curves["fit/points_y"] == [2, 3, 1]
    assert figures == pytest.approx({"fit/points": 3, "fit/swing": abs(wanted).max()}, abs=1e-5)


def test_pictures_are_for_those_who_want_them():
    assert not fit(subject(pictures=False))[1]


@pytest.mark.parametrize(
    ("x", "y", "came"),
    [
        (torch.rand(3, 1, 2, 2), None, r"inputs of shape \(1, 2, 2\)"),
        (
            torch.tensor(legvander(POINTS, 3), dtype=torch.float32) - 0.1,
            None,
            r"inputs of shape \(4,\)",
        ),
        (torch.ones(3, 1), None, r"inputs of shape \(1,\)"),
        (None, torch.zeros(3, 2), r"y of shape \(2,\) came"),
    ],
)
def test_what_is_no_curve_is_refused(x, y, came):
    with pytest.raises(DlgbenchError, match=f"probe fit wants Legendre's polynomials.*{came}"):
        fit(subject(x, y))
