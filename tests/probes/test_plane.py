import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.plane import LINES, SIDE, boundary, warp
from dlgbench.probes.subject import Subject

BATCH = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), torch.tensor([0, 1])
EXTENT = [-1.1, 1.1, -1.1, 1.1]


def linear(weight):
    layer = nn.Linear(2, len(weight), bias=False)
    layer.weight.data = torch.tensor(weight)
    return layer


def test_the_boundarys_grid_runs_row_by_row_from_the_bottom():
    network = nn.Sequential(linear([[0.0, 0.0], [1.0, 2.0]]))  # z_1 - z_0 = x + 2 y
    measured = boundary(Subject(network, (2,), BATCH))
    assert not measured.metrics
    arrays = measured.arrays
    ticks = np.linspace(-1.1, 1.1, SIDE)
    expected = ticks[None, :] + 2 * ticks[:, None]  # [row of y, column of x]
    np.testing.assert_allclose(arrays["boundary/score"], expected, atol=1e-5)
    np.testing.assert_allclose(arrays["boundary/extent"], EXTENT, rtol=1e-6)
    np.testing.assert_array_equal(arrays["boundary/points"], BATCH[0])
    np.testing.assert_array_equal(arrays["boundary/point_class"], [0, 1])


def test_the_warped_grid_is_the_output_of_the_last_hidden_layer():
    hidden, last = linear([[1.0, 0.0], [0.0, 3.0]]), linear([[1.0, 0.0], [0.0, 1.0]])
    measured = warp(Subject(nn.Sequential(hidden, nn.ReLU(), last), (2,), BATCH))
    assert not measured.metrics
    units, classes = measured.arrays["warp/units"], measured.arrays["warp/class"]
    positive = np.linspace(-1.1, 1.1, LINES).clip(0)
    x, y = np.meshgrid(positive, 3 * positive)
    np.testing.assert_allclose(units, np.stack([x, y], 2), atol=1e-5)
    np.testing.assert_array_equal(classes, units[..., 1] > units[..., 0])
    np.testing.assert_allclose(measured.arrays["warp/extent"], EXTENT, rtol=1e-6)


def test_what_cannot_be_drawn_is_refused():
    images = torch.zeros(2, 1, 4, 4), torch.zeros(2)
    match = r"probe boundary: expected inputs of two numbers, got inputs of shape \(1, 4, 4\)"
    with pytest.raises(DlgbenchError, match=match):
        boundary(Subject(nn.Flatten(), (1, 4, 4), images))
    with pytest.raises(DlgbenchError, match=r"with two classes, got outputs of shape \(3,\)"):
        boundary(Subject(nn.Linear(2, 3), (2,), BATCH))
    wide = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 2))
    match = "expected a last hidden layer of two or three units, got Linear.* as the layer after"
    with pytest.raises(DlgbenchError, match=match):
        warp(Subject(wide, (2,), BATCH))
    with pytest.raises(DlgbenchError, match="got None as the layer after it"):
        warp(Subject(nn.Flatten(), (2,), BATCH))
