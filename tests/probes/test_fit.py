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
X = torch.tensor(legvander(POINTS, 3), dtype=torch.float32)
Y = torch.tensor([[1.0], [2.0], [3.0]])


def measure(x, y):
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    network[1].weight.data = torch.tensor([WEIGHTS])
    network[1].bias.data.zero_()
    return fit(Subject(network, (4,), (x, y)))


def test_the_curve_is_the_polynomial_and_the_points_are_in_order():
    measured = measure(X, Y)
    u = np.linspace(-1, 1, GRID)
    z = legval(u, WEIGHTS)
    assert measured.metrics == pytest.approx({"fit/swing": abs(z).max()}, abs=1e-5)
    np.testing.assert_allclose(measured.arrays["fit/curve"], np.stack([u, z], 1), atol=1e-5)
    expected = [[-0.3, 2], [0.1, 3], [0.9, 1]]
    np.testing.assert_allclose(measured.arrays["fit/points"], expected, rtol=1e-6)
    assert {values.dtype for values in measured.arrays.values()} == {np.dtype("float32")}


@pytest.mark.parametrize(
    ("x", "y", "got"),
    [
        (torch.rand(3, 1, 2, 2), Y, r"inputs of shape \(1, 2, 2\)"),
        (X - 0.1, Y, r"inputs of shape \(4,\)"),
        (torch.ones(3, 1), Y, r"inputs of shape \(1,\)"),
        (X, torch.zeros(3, 2), r".* y of shape \(2,\)"),
    ],
)
def test_what_is_no_curve_is_refused(x, y, got):
    match = f"probe fit: expected Legendre's polynomials .*, got {got}"
    with pytest.raises(DlgbenchError, match=match):
        measure(x, y)
