import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import Cell, DlgbenchError, Recipe
from dlgbench.probes.minima import minima
from dlgbench.probes.subject import Subject
from dlgbench.train import prepare, train

X, Y = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1, 0, 1])


def swapped(*, sides):
    """Two hidden units, and the same two the other way round: the same function, and a hill between."""
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    for layer in (network[0], network[2]):
        layer.weight.data = 10 * (torch.eye(2).flip(0) if sides else torch.eye(2))
    return network


def test_a_permuted_twin_agrees_everywhere_and_a_hill_lies_between():
    figures, curves = minima(
        Subject(swapped(sides=False), (2,), (X, Y), another=lambda: swapped(sides=True))
    )
    assert figures["minima/gap"] == figures["minima/disagreement"] == 0
    path = torch.tensor(curves["minima/path"], dtype=torch.float64)
    assert len(path) == 21
    assert path[0] == path[-1] < 1e-9
    middle = F.cross_entropy(torch.zeros(4, 2), Y)  # half way all weights are 5: equal scores
    assert figures["minima/barrier"] == pytest.approx(float(middle), rel=1e-6)
    assert path.argmax() == 10


def test_a_net_that_errs_elsewhere_is_apart_in_error_and_in_class():
    wrong = swapped(sides=False)
    wrong[2].weight.data[1] = 0  # never class 1: errs on two of four
    figures, _ = minima(Subject(swapped(sides=False), (2,), (X, Y), another=lambda: wrong))
    assert figures["minima/gap"] == figures["minima/disagreement"] == 0.5


def test_running_statistics_are_mixed_too():
    a, b = (nn.Sequential(nn.BatchNorm1d(2)) for _ in range(2))
    b[0].running_mean += 2
    seen = []
    minima(Subject(a, (2,), (X, Y), lambda z, _: seen.append(z) or z.mean(), another=lambda: b))
    torch.testing.assert_close(seen[10], (X - 1) / (1 + 1e-5) ** 0.5)


def test_without_a_training_there_is_no_other_minimum():
    with pytest.raises(DlgbenchError, match="steps=0"):
        minima(Subject(nn.Linear(2, 2), (2,), (X, Y)))
    with pytest.raises(DlgbenchError, match=r"class scores \(B, K\)"):
        minima(Subject(nn.Flatten(0), (2,), (X, Y), another=lambda: nn.Flatten(0)))


def test_nothing_is_made_up_for_a_net_that_diverged():
    lost = swapped(sides=True)
    lost[0].weight.data[:] = torch.nan
    figures, _ = minima(Subject(swapped(sides=False), (2,), (X, Y), another=lambda: lost))
    assert all(math.isnan(value) for value in figures.values())


def test_the_other_is_the_replicate_trained_alike(monkeypatch):
    recipe = Recipe(
        model="mlp",
        model_args={"hidden": (8,)},
        data="digits",
        data_args={"train": 100, "val": 50},
        optimizer="adam",
        lr=0.01,
        steps=20,
        evaluations=1,
    )
    modules = []
    monkeypatch.setattr(
        "dlgbench.train.prepare", lambda *args: modules.append(prepare(*args)) or modules[-1]
    )
    run = train(Cell("a", "a", 0, "cpu", recipe.override(probes=("minima",))))
    again = train(Cell("a", "a", 0, "cpu", recipe.override(random_stream=1)))
    _, (other, splits), (alone, _) = modules
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            other.network.state_dict().values(), alone.network.state_dict().values(), strict=True
        )
    )
    assert run.summary["minima/gap"] == pytest.approx(
        abs(run.summary["test/error"] - again.summary["test/error"])
    )
    with pytest.raises(DlgbenchError, match="closed"):
        splits.test()
