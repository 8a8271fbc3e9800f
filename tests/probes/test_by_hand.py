from torch import nn

from dlgbench.probes.by_hand import by_hand
from dlgbench.probes.subject import Subject


def test_the_equations_agree_and_the_sabotages_are_found_out():
    figures, _ = by_hand(Subject(nn.Linear(1, 1), (1,)))
    sabotaged = {"by_hand/one_output", "by_hand/without_sum", "by_hand/not_transposed"}
    assert all(
        (value > 0.1) if name in sabotaged else (value < 1e-12) for name, value in figures.items()
    )
