import math

import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.shifts import shifted, shifts
from dlgbench.probes.subject import Subject


class Corner(nn.Module):
    """Class 1 where the pixel (4, 4) is bright."""

    def forward(self, x):
        z = x[:, 0, 4, 4] - 0.5
        return torch.stack([-z, z], 1)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (-3, 0), (0, 1), (0, -2)])
def test_a_shift_is_numpys_roll_with_the_edge_repeated(down, right):
    x = torch.rand(2, 3, 7, 6)
    wide = np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="edge")
    rolled = np.roll(wide, (down, right), (2, 3))[:, :, 4:-4, 4:-4]
    assert np.array_equal(shifted(x, down, right).numpy(), rolled)


def test_accuracy_kept_by_hand():
    x = torch.zeros(4, 1, 9, 9)
    x[0, 0, 4, 4] = 1  # lost by every shift
    x[1, 0, 3:6, 3:6] = 1  # kept by shifts of 1
    x[2, 0, 2:7, 4] = 1  # kept by shifts of 1 and 2 down and up
    y = torch.tensor([1, 1, 1, 1])  # x[3] is always wrong
    measured = shifts(Subject(Corner(), (1, 9, 9), (x, y)))
    assert measured.curves["shifts/accuracy"] == [3 / 4, (1 + 1 / 2) / 4, (1 / 2) / 4, 0]
    kept = [measured.metrics[f"shifts/kept_{d}"] for d in (1, 2, 3)]
    assert kept == pytest.approx([1 / 2, 1 / 6, 0])


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("side", [slice(5), slice(4, None)])
def test_a_shift_counts_in_each_of_four_directions(axis, side):
    x = torch.zeros(1, 1, 9, 9)
    x.transpose(2, axis)[:, :, side] = 1  # up to the pixel (4, 4): lost in one direction of four
    measured = shifts(Subject(Corner(), (1, 9, 9), (x, torch.ones(1))))
    assert measured.curves["shifts/accuracy"] == [1, 3 / 4, 3 / 4, 3 / 4]


def test_nothing_is_kept_of_nothing_and_vectors_are_refused():
    nothing = shifts(Subject(Corner(), (1, 9, 9), (torch.zeros(2, 1, 9, 9), torch.ones(2))))
    assert all(math.isnan(value) for value in nothing.metrics.values())
    with pytest.raises(DlgbenchError, match=r"expected images \(C, H, W\), got inputs of .*\(5,\)"):
        shifts(Subject(nn.Linear(5, 2), (5,), (torch.zeros(2, 5), torch.ones(2))))
