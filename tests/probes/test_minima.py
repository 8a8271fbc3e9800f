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


def two_units(*, swapped=False):
    """Two hidden units; swapped, they compute the same function, and a hill lies between."""
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    for layer in (network[0], network[2]):
        layer.weight.data = 10 * (torch.eye(2).flip(0) if swapped else torch.eye(2))
    return network


def compare(network, sibling):
    return minima(Subject(network, (2,), (X, Y), train_sibling=lambda: sibling))


def test_permuted_units_agree_everywhere_and_a_hill_lies_between():
    measured = compare(two_units(), two_units(swapped=True))
    assert measured.metrics["minima/gap"] == measured.metrics["minima/disagreement"] == 0
    path = torch.tensor(measured.curves["minima/path"], dtype=torch.float64)
    assert len(path) == 21
    assert path[0] == path[-1] < 1e-9
    middle = F.cross_entropy(torch.zeros(4, 2), Y)  # half way all weights are 5: equal scores
    assert measured.metrics["minima/barrier"] == pytest.approx(float(middle), rel=1e-6)
    assert path.argmax() == 10


@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 0.0)], ids=["up", "down"])
@pytest.mark.parametrize(("bend", "barrier"), [(0.0, 0.0), (4.0, 1.0), (-4.0, 0.0)])
def test_a_barrier_is_a_height_above_the_line_between_two_unequal_ends(ends, bend, barrier):
    a, b = (nn.Linear(2, 2, bias=False) for _ in range(2))
    for network, end in zip((a, b), ends, strict=True):
        network.weight.data = end * torch.eye(2)

    def loss(z, _y):  # of the weight w: the line 1 + 2 w, and a hill or a valley upon it
        w = z[0, 0].double()
        return 1 + 2 * w + bend * w * (1 - w)

    measured = minima(Subject(a, (2,), (X, Y), loss, train_sibling=lambda: b))
    path = measured.curves["minima/path"]
    assert (path[0], path[-1]) == tuple(1 + 2 * end for end in ends)
    assert measured.metrics["minima/barrier"] == pytest.approx(barrier, abs=1e-6)


def test_a_net_that_errs_elsewhere_is_apart_in_error_and_in_class():
    wrong = two_units()
    wrong[2].weight.data[1] = 0  # never class 1: wrong on two of four
    metrics = compare(two_units(), wrong).metrics
    assert metrics["minima/gap"] == metrics["minima/disagreement"] == 0.5


def test_running_statistics_are_mixed_too():
    a, b = (nn.Sequential(nn.BatchNorm1d(2)) for _ in range(2))
    b[0].running_mean += 2
    outputs = []

    def loss(z, _y):
        outputs.append(z)
        return z.mean()

    minima(Subject(a, (2,), (X, Y), loss, train_sibling=lambda: b))
    torch.testing.assert_close(outputs[10], (X - 1) / (1 + 1e-5) ** 0.5)


def test_what_has_no_two_minima_is_refused():
    with pytest.raises(DlgbenchError, match=r"expected a recipe that trains, .* got steps=0"):
        minima(Subject(nn.Linear(2, 2), (2,), (X, Y)))
    with pytest.raises(DlgbenchError, match=r"expected class scores \(B, K\)"):
        compare(nn.Flatten(0), nn.Flatten(0))


def test_where_one_of_the_two_diverged_nothing_is_known():
    diverged = two_units(swapped=True)
    diverged[0].weight.data[:] = torch.nan
    metrics = compare(two_units(), diverged).metrics
    assert all(math.isnan(value) for value in metrics.values())


def test_the_sibling_is_the_next_random_stream_trained_alike(monkeypatch):
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
    prepared = []

    def spy(*args):
        prepared.append(prepare(*args))
        return prepared[-1]

    monkeypatch.setattr("dlgbench.train.prepare", spy)
    run = train(Cell("a", "a", 0, "cpu", recipe.override(probes=("minima",))))
    other = train(Cell("a", "a", 0, "cpu", recipe.override(random_stream=1)))
    _, (sibling, splits), (alone, _) = prepared
    weights, expected = sibling.network.state_dict(), alone.network.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    gap = abs(run.summary["test/error"] - other.summary["test/error"])
    assert run.summary["minima/gap"] == pytest.approx(gap)
    with pytest.raises(DlgbenchError, match="closed"):
        splits.test()
