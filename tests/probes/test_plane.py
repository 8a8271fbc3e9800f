import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.plane import LINES, SIDE, boundary, warp
from dlgbench.probes.subject import Subject

X = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])


def linear(weight):
    layer = nn.Linear(2, len(weight), bias=False)
    layer.weight.data = torch.tensor(weight)
    return layer


def test_the_boundarys_map_runs_row_by_row_from_below():
    network = nn.Sequential(linear([[0.0, 0.0], [1.0, 2.0]]))  # z_1 - z_0 = x + 2 y
    figures, curves = boundary(Subject(network, (2,), (X, torch.tensor([0, 1])), pictures=True))
    assert figures == pytest.approx({"boundary/low": -1.1, "boundary/high": 1.1})
    found = torch.tensor(curves["boundary/score"]).view(SIDE, SIDE)
    ticks = torch.linspace(-1.1, 1.1, SIDE)
    torch.testing.assert_close(
        found, ticks[None, :] + 2 * ticks[:, None]
    )  # [row of y, column of x]
    assert (
        curves["boundary/point_x"],
        curves["boundary/point_y"],
        curves["boundary/point_class"],
    ) == ([-1, 1], [-1, 1], [0, 1])
    assert boundary(Subject(network, (2,), (X, torch.tensor([0, 1]))))[1] == {}


def test_the_warped_grid_is_what_the_last_hidden_layer_says():
    network = nn.Sequential(
        linear([[1.0, 0.0], [0.0, 3.0]]), nn.ReLU(), linear([[1.0, 0.0], [0.0, 1.0]])
    )
    figures, curves = warp(Subject(network, (2,), (X, torch.tensor([0, 1])), pictures=True))
    ticks = torch.linspace(-1.1, 1.1, LINES)
    assert figures["warp/units"] == 2
    torch.testing.assert_close(
        torch.tensor(curves["warp/unit_0"]).view(LINES, LINES),
        ticks.clamp_min(0).expand(LINES, LINES),
    )
    torch.testing.assert_close(
        torch.tensor(curves["warp/unit_1"]).view(LINES, LINES),
        3 * ticks.clamp_min(0)[:, None].expand(LINES, LINES),
    )
    assert set(curves["warp/class"]) == {0.0, 1.0}


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(
        DlgbenchError,
        match=r"probe boundary wants inputs of two numbers; inputs of shape \(1, 4, 4\) came",
    ):
        boundary(Subject(nn.Flatten(), (1, 4, 4), (torch.zeros(2, 1, 4, 4), torch.zeros(2))))
    wide = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(DlgbenchError, match="last hidden layer of two or three units"):
        warp(Subject(wide, (2,), (X, torch.tensor([0, 1]))))
    with pytest.raises(DlgbenchError, match="None came after it"):
        warp(Subject(nn.Flatten(), (2,), (X, torch.tensor([0, 1]))))
