import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import Cell, DlgbenchError, Recipe, create_model
from dlgbench.probes.signals import activations, dead_units, gradients, response_sd, weight_norms
from dlgbench.probes.subject import Subject
from dlgbench.train import train

SHAPE = (1, 28, 28)


def test_gradients_are_autograds():
    network, x, y = create_model("mlp", hidden=(7, 6, 5)), torch.rand(9, 1, 28, 28), torch.arange(9)
    measured = gradients(Subject(network, SHAPE, (x, y)))
    network.zero_grad()
    F.cross_entropy(network(x.double()), y).backward()
    norms = [network[k].weight.grad.norm().item() for k in (1, 3, 5)]
    assert measured.curves["gradient/by_layer"] == pytest.approx(norms, rel=1e-12)
    ratio = math.log10(norms[0] / norms[2])
    assert measured.metrics["gradient/log10_ratio"] == pytest.approx(ratio)


def test_gradients_are_of_the_tasks_loss():
    network, x, y = create_model("mlp", hidden=(7, 6)), torch.rand(9, 1, 28, 28), torch.rand(9, 10)
    metrics = gradients(Subject(network, SHAPE, (x, y), F.mse_loss)).metrics
    network.zero_grad()
    F.mse_loss(network(x.double()), y.double()).backward()
    first = network[1].weight.grad.norm().item()
    assert metrics["gradient/first"] == pytest.approx(first, rel=1e-12)


def test_activations_are_the_standard_deviations_before_g():
    network, x = create_model("mlp", hidden=(50, 40)), torch.rand(30, 1, 28, 28)
    measured = activations(Subject(copy.deepcopy(network), SHAPE, (x, torch.zeros(30))))
    network = network.double()
    z1 = network[1](x.double().flatten(1))
    expected = [z1.std().item(), network[3](z1.relu()).std().item()]
    assert measured.curves["activation/by_layer"] == pytest.approx(expected)
    assert measured.metrics["activation/last_sd"] == measured.curves["activation/by_layer"][-1]


def test_he_keeps_the_signal_and_the_slides_formula_kills_it():
    last = {}
    for init in ("he", "slide"):
        recipe = Recipe(
            model="mlp",
            model_args={"hidden": (64,) * 10},
            data="digits",
            init=init,
            steps=0,
            probes=("activations",),
        )
        last[init] = train(Cell("a", "a", 0, "cpu", recipe)).summary["activation/last_sd"]
    assert 0.2 < last["he"] < 5
    assert last["slide"] < 1e-20


def test_without_a_gradient_the_ratio_is_not_known():
    network = create_model("mlp")
    for p in network.parameters():
        nn.init.zeros_(p)
    batch = torch.rand(4, 1, 28, 28), torch.arange(4)
    metrics = gradients(Subject(network, SHAPE, batch)).metrics
    assert math.isnan(metrics["gradient/log10_ratio"])


def test_dead_units_by_hand():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(16, 2),
        nn.ReLU(),
        nn.Linear(2, 2),
        nn.Sigmoid(),
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, -1.0, 1.0, 0.0])[:, None, None, None])
        # x, -x, x - 2.5, 0: the third is positive for one pixel of one row
        network[0].bias.copy_(torch.tensor([0.0, 0.0, -2.5, 0.0]))
        network[3].weight.fill_(-1.0)
        network[3].bias.copy_(torch.tensor([0.0, 100.0]))
    x = torch.ones(2, 1, 2, 2)
    x[1, 0, 0, 1] = 3.0
    measured = dead_units(Subject(network, (1, 2, 2), (x, torch.zeros(2))))
    assert measured.curves["dead_units/by_layer"] == [0.5, 0.5, 0.0]
    assert measured.metrics == {"dead_units": 3 / 8, "dead_units/worst": 0.5}


def test_a_unit_is_dead_by_the_running_statistics_and_not_by_dropout():
    network = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.999), nn.ReLU(), nn.Linear(4, 2))
    network[0].running_mean[0] = 9.0  # the batch has a mean of 0, so in training no unit is dead
    x = torch.tensor([-1.0, 1.0])[:, None].expand(2, 4)
    measured = dead_units(Subject(network.train(), (4,), (x, torch.zeros(2))))
    assert measured.curves["dead_units/by_layer"] == [1 / 4]


def test_no_gradient_passes_a_dead_unit():
    torch.manual_seed(0)
    network = create_model("mlp", hidden=(40,))
    batch = torch.rand(20, 1, 28, 28), torch.zeros(20, dtype=torch.long)
    with torch.no_grad():
        network[1].bias.copy_(torch.linspace(-2, 0.5, 40))
    F.cross_entropy(network(batch[0]), batch[1]).backward()
    without = (network[1].weight.grad == 0).all(1).double().mean().item()
    assert 0 < without < 1
    metrics = dead_units(Subject(network, SHAPE, batch)).metrics
    assert metrics["dead_units"] == pytest.approx(without)


def test_weight_norms_by_hand():
    network = nn.Sequential(nn.Conv2d(1, 1, 2), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 2.0], [2.0, 0.0]])[None, None])
        network[3].weight.copy_(torch.tensor([[0.0], [4.0]]))
    measured = weight_norms(Subject(network, (1, 2, 2)))
    assert measured.curves == {"weight_norms/by_layer": [3.0, 4.0]}
    assert measured.metrics == {"weight_norms/total": 5.0}


def test_responses_are_taken_after_normalization_and_before_addition_and_activation():
    torch.manual_seed(0)
    network = create_model("resnet20", width=0.25).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
    x = torch.randn(6, 3, 32, 32)
    subject = Subject(copy.deepcopy(network), (3, 32, 32), (x, torch.zeros(6)))
    measured = response_sd(subject)
    with torch.no_grad():
        z = network.stem[1](network.stem[0](x))
        expected, z = [z.std().item()], z.relu()
        for block in (*network.stage1, *network.stage2, *network.stage3):
            inner = block.branch[1](block.branch[0](z))
            outer = block.branch[4](block.branch[3](inner.relu()))
            expected += [inner.std().item(), outer.std().item()]
            z = (outer + block.shortcut(z)).relu()
    assert len(expected) == 19
    assert measured.curves["response_sd/by_layer"] == pytest.approx(expected, rel=1e-5)
    assert measured.metrics["response_sd"] == pytest.approx(sum(expected) / 19, rel=1e-5)


def test_a_response_without_normalization_is_the_layers_own_and_1x1_convolutions_are_left_out():
    network = nn.Sequential(
        nn.Conv2d(1, 3, 1),
        nn.Conv2d(3, 2, 3),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(2),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    x = torch.randn(5, 1, 4, 4)
    subject = Subject(copy.deepcopy(network), (1, 4, 4), (x, torch.zeros(5)))
    expected = [network[1](network[0](x)).std().item()]
    assert response_sd(subject).curves["response_sd/by_layer"] == pytest.approx(expected)


@pytest.mark.parametrize("in_place", [False, True])
def test_the_normalization_of_a_sum_is_the_next_layers(in_place):
    class PreActivation(nn.Module):
        """x + W * max(0, BN(x))."""

        def __init__(self):
            super().__init__()
            self.norm, self.convolution = nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x):
            y = self.convolution(self.norm(x).relu())
            if not in_place:
                return x + y
            y += x
            return y

    torch.manual_seed(0)
    network = nn.Sequential(PreActivation(), PreActivation(), nn.Flatten(), nn.Linear(32, 2)).eval()
    for block in network[:2]:
        block.norm.running_var.uniform_(4, 9)
    z = x = torch.randn(5, 2, 4, 4)
    measured = response_sd(Subject(copy.deepcopy(network), (2, 4, 4), (x, torch.zeros(5))))
    expected = []
    with torch.no_grad():
        for block in network[:2]:
            y = block.convolution(block.norm(z).relu())
            expected, z = [*expected, y.std().item()], z + y
    assert measured.curves["response_sd/by_layer"] == pytest.approx(expected, rel=1e-5)


def test_the_normalization_of_a_concatenation_is_the_next_layers():
    torch.manual_seed(0)
    network = create_model("densenet_40_12", input_shape=(3, 8, 8), depth=10).eval()
    x = torch.randn(4, 3, 8, 8)
    measured = response_sd(Subject(copy.deepcopy(network), (3, 8, 8), (x, torch.zeros(4))))
    expected, z = [], x
    with torch.no_grad():
        z = network[0](z)
        expected.append(network[1][0].branch[0](z).std().item())  # nothing lies in between
        for layer in network[1]:
            expected.append(layer.branch(z).std().item())
            z = layer(z)
    curve = measured.curves["response_sd/by_layer"]
    assert curve[:3] == pytest.approx(expected, rel=1e-5)


def test_what_a_probe_cannot_measure_is_refused():
    batch = torch.rand(2, 1, 28, 28), torch.zeros(2).long()
    shallow = create_model("mlp", hidden=())
    bottleneck = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(784, 2))
    cases = [
        (gradients, shallow, "gradients: expected a network with a hidden layer, got Sequential"),
        (dead_units, shallow, "dead_units: expected a network with activation layers, got"),
        (weight_norms, nn.Flatten(), "weight_norms: expected a network with weights, got Flatten"),
        (response_sd, bottleneck, "response_sd: expected .* hidden layers other than 1x1 conv"),
    ]
    for probe, network, match in cases:
        with pytest.raises(DlgbenchError, match=f"probe {match}"):
            probe(Subject(copy.deepcopy(network), SHAPE, batch))
    match = "probe activations: expected a recipe with data, got one without"
    with pytest.raises(DlgbenchError, match=match):
        activations(Subject(create_model("mlp"), SHAPE))
