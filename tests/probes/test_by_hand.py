from torch import nn

from dlgbench.probes.by_hand import by_hand
from dlgbench.probes.subject import Subject


def test_the_equations_agree_and_the_sabotages_are_detected():
    metrics = by_hand(Subject(nn.Linear(1, 1), (1,))).metrics
    sabotages = {"by_hand/one_output", "by_hand/without_sum", "by_hand/not_transposed"}
    assert sabotages < set(metrics)
    for name, error in metrics.items():
        assert error > 0.1 if name in sabotages else error < 1e-12, name
