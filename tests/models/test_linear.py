import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.linear_model import Perceptron as Rosenblatt

from dlgbench import DlgbenchError, create_model


def rows(classes, spread, seed=0, n=60):
    x, y = make_blobs(n, 3, centers=classes, cluster_std=spread, random_state=seed)
    return torch.tensor(x), torch.tensor(y)


def perceptron(inputs, classes):
    return create_model("perceptron", input_shape=(inputs,), num_classes=classes).double()


@pytest.mark.parametrize("name", ["linear", "perceptron"])
def test_linear_is_its_equation(name):
    network = create_model(name, input_shape=(2, 3, 4), num_classes=5).double()
    weight, bias = (parameter.detach() for parameter in network.parameters())
    assert (weight.shape, bias.shape) == ((5, 24), (5,))
    torch.nn.init.normal_(weight)
    torch.nn.init.normal_(bias)
    x = torch.rand(6, 2, 3, 4, dtype=torch.float64)
    by_hand = (weight[None] * x.reshape(6, 1, 24)).sum(2) + bias
    assert torch.allclose(network(x), by_hand, rtol=0, atol=1e-12)


def test_three_rows_by_hand():
    network = perceptron(2, 3)
    x, y = torch.tensor([[1.0, 2.0], [3.0, 0.0], [1.0, 1.0]]).double(), torch.tensor([1, 1, 2])
    # Row 1: z = 0 is a tie, so a mistake: w_1 = (1, 2), b_1 = 1 and w_0 = (-1, -2), b_0 = -1.
    # Row 2: z = (-4, 4, 0) is correct.
    # Row 3: z = (-4, 4, 0), but its class is 2, not 1: w_2 = (1, 1), b_2 = 1 and
    # w_1 = (0, 1), b_1 = 0.
    assert network.learn(x, y) == 2
    assert network.scores.weight.tolist() == [[-1, -2], [0, 1], [1, 1]]
    assert network.scores.bias.tolist() == [-1, 0, 1]


@pytest.mark.parametrize("passes", [1, 2, 7])
@pytest.mark.parametrize("spread", [0.5, 8.0])  # separable, and not
def test_two_classes_agree_with_scikit_learn(passes, spread):
    x, y = rows(2, spread)
    theirs = Rosenblatt(penalty=None, max_iter=passes, tol=None, shuffle=False)
    theirs.fit(x.numpy(), y.numpy())
    ours = perceptron(3, 2)
    for _ in range(passes):
        ours.learn(x, y)
    weight, bias = ours.scores.weight.detach(), ours.scores.bias.detach()
    assert np.allclose(weight[1], theirs.coef_[0], rtol=0, atol=1e-12)
    assert bias[1].item() == theirs.intercept_[0]
    assert torch.equal(weight[0], -weight[1])
    assert weight.abs().sum() > 0


def test_the_rule_is_sgd_on_the_perceptron_criterion():
    x, y = rows(4, 4.0)
    ours, twin = perceptron(3, 4), perceptron(3, 4)
    sgd = torch.optim.SGD(twin.parameters(), lr=1.0)
    for _ in range(3):
        mistakes = 0
        for row, own in zip(x, y, strict=True):
            z = twin(row[None])[0]
            gap = z[torch.arange(4) != own].max(0).values - z[own]
            # max(0, gap) with gradient 1 at a tie; with clamp's gradient of 0, W would stay 0.
            criterion = torch.where(gap >= 0, gap, 0)
            sgd.zero_grad()
            criterion.backward()
            sgd.step()
            mistakes += int(gap >= 0)
        assert ours.learn(x, y) == mistakes > 0
        assert torch.allclose(ours.scores.weight, twin.scores.weight, rtol=0, atol=1e-10)
        assert torch.equal(ours.scores.bias, twin.scores.bias)


def test_what_is_separable_is_learned_within_novikoffs_bound():
    x, y = rows(2, 0.5, seed=3)
    ours, total = perceptron(3, 2), 0
    for _ in range(100):
        mistakes = ours.learn(x, y)
        total += mistakes
        if not mistakes:
            break
    assert mistakes == 0
    assert torch.equal(ours(x).argmax(1), y)
    ones = torch.cat([x, torch.ones(len(x), 1)], 1)  # the bias is the weight of a 1
    w = torch.cat([ours.scores.weight[1], ours.scores.bias[1:]]).detach()
    margin = ((2 * y - 1) * (ones @ w) / w.norm()).min()
    assert 0 < total <= (ones.norm(dim=1).max() / margin) ** 2


def test_xor_is_never_learned():
    network, x = perceptron(2, 2), torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).double()
    assert min(network.learn(x, torch.tensor([0, 1, 1, 0])) for _ in range(50)) > 0


def test_one_class_is_refused():
    with pytest.raises(DlgbenchError, match="perceptron: expected at least 2 classes, got 1"):
        create_model("perceptron", num_classes=1)
