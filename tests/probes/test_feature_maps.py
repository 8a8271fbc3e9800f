import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from dlgbench import DlgbenchError
from dlgbench.probes.feature_maps import Axis, interleaved, joined


@pytest.mark.parametrize(
    ("k", "s", "d", "p"),
    [(3, 1, 1, 1), (3, 2, 1, 0), (2, 2, 1, 0), (3, 1, 4, 4), (1, 2, 1, 0), (5, 3, 2, 1)],
)
def test_a_window_follows_the_textbooks_rule(k, s, d, p):
    axis = Axis().window(7, 2).window(k, s, d, p)
    assert (axis.field, axis.jump, axis.period) == (7 + (k - 1) * d * 2, 2 * s, 1)
    assert axis.at(0) == (-2 * p, -2 * p + 6 + (k - 1) * d * 2)


def test_units_a_period_apart_see_pixels_a_shift_apart():
    axis = Axis().window(2, 2).transposed(3, 2)
    for unit in range(-3, 5):
        low, high = axis.at(unit)
        assert axis.at(unit + axis.period) == (low + axis.shift, high + axis.shift)


@pytest.mark.parametrize(
    ("k", "s", "d", "p"),
    [
        (2, 2, 1, 0),
        (4, 2, 1, 1),
        (3, 2, 1, 1),
        (1, 3, 1, 0),
        (5, 2, 1, 2),
        (64, 32, 1, 16),
        (3, 2, 2, 1),
        (3, 4, 2, 0),
    ],
)
def test_a_transposed_window_is_its_matrix(k, s, d, p):
    n = 3 * k * d // s + 8
    matrix = np.zeros((s * n + 2 * k * d, n))  # (out, in)
    for i, a in itertools.product(range(n), range(k)):
        if 0 <= s * i - p + d * a < len(matrix):
            matrix[s * i - p + d * a, i] = 1
    axis = Axis().transposed(k, s, d, p)
    assert axis.jump == Fraction(1, s)
    middle = n // 2 * s
    seen = [np.nonzero(row)[0] for row in matrix[middle : middle + s]]
    for unit, inputs in enumerate(seen, middle):
        none = (math.inf, -math.inf)
        assert axis.at(unit) == ((inputs.min(), inputs.max()) if len(inputs) else none)
    assert axis.field == max(np.ptp(inputs) + 1 for inputs in seen if len(inputs))


def test_three_pixels_of_an_up_sampled_map_straddle_two_of_its_input():
    fine = Axis().window(4, 4).transposed(4, 4)  # blocks of 4 pixels
    assert fine.field == 4
    assert fine.window(3, padding=1).field == 8  # the textbook's 4 + (3 - 1) * 1 would be 6


def test_joined_axes_see_what_each_of_them_sees():
    left, right = Axis().window(3), Axis().window(3, padding=2)
    assert joined([left, right]).at(5) == (3, 7)
    assert joined([Axis(), Axis().window(2, 2).transposed(2, 2)]).field == 2
    match = "expected maps of equal jump, got jumps of 1 and 2 pixels"
    with pytest.raises(DlgbenchError, match=match):
        joined([Axis(), Axis().window(3, 2)])


def test_interleaved_axes_take_turns():
    even, odd = Axis().window(1, 2), Axis().window(1, 2, padding=-1)
    both = interleaved([even, odd])
    assert [both.at(unit) for unit in range(4)] == [(unit, unit) for unit in range(4)]
    assert both.jump == 1
