import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.hierarchy import linear_probes
from dlgbench.probes.subject import Subject


class Radius(nn.Module):
    """(x, y) -> (x^2, y^2): what makes a circle a line."""

    def forward(self, x):
        return x.square()


def test_a_layer_that_untangles_the_classes_reads_better():
    x = torch.randn(800, 2, generator=torch.Generator().manual_seed(0))
    y = (x.square().sum(1) > 1.4).long()
    network = nn.Sequential(nn.LeakyReLU(0.999), Radius(), nn.ReLU(), nn.Linear(2, 2))
    figures, curves = linear_probes(Subject(network, (2,), (x, y)))
    assert figures["hierarchy/first"] < 0.65
    assert figures["hierarchy/last"] > 0.8
    assert figures["hierarchy/rise"] == pytest.approx(figures["hierarchy/last"] - figures["hierarchy/first"])
    assert curves["hierarchy/by_layer"] == [figures["hierarchy/first"], figures["hierarchy/last"]]


def test_one_hidden_layer_has_no_rise():
    with pytest.raises(DlgbenchError, match="at least two hidden layers; 1 came"):
        linear_probes(Subject(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), (2,), (torch.zeros(4, 2), torch.zeros(4).long())))
