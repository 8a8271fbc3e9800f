import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import Cell, DlgbenchError, Recipe, create_model
from dlgbench.metrics import PROBES
from dlgbench.probes import MEASURES, probe
from dlgbench.probes.receptive_field import arithmetic, gradient_mask, measure
from dlgbench.probes.signals import activations, gradients
from dlgbench.train import train


def test_every_announced_probe_exists_and_gives_what_it_announces():
    assert set(MEASURES) == set(PROBES)
    for name, announced in PROBES.items():
        recipe = Recipe(model="conv_stack" if name == "receptive_field" else "mlp", probes=(name,), steps=0)
        batch = (torch.rand(8, 1, 28, 28), torch.arange(8))
        figures, _ = probe(recipe, create_model(recipe.model), batch)
        assert set(figures) == {*announced, "parameters"}


def test_gradients_are_autograds():
    network, x, y = create_model("mlp", hidden=(7, 6, 5)), torch.rand(9, 1, 28, 28), torch.arange(9)
    figures, curves = gradients(network, (x, y))
    network.zero_grad()
    F.cross_entropy(network(x.double()), y).backward()
    norms = [network[k].weight.grad.norm().item() for k in (1, 3, 5)]
    assert curves["gradient/by_layer"] == pytest.approx(norms, rel=1e-12)
    assert figures["gradient/log10_ratio"] == pytest.approx(math.log10(norms[0] / norms[2]))


def test_a_probe_leaves_the_network_as_it_was():
    network = create_model("mlp", norm="batch", dropout=0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = (torch.rand(8, 1, 28, 28), torch.arange(8))
    random = torch.get_rng_state()
    probe(Recipe(model="mlp", probes=("gradients", "activations"), steps=0), network, batch)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None and p.dtype == torch.float32 for p in network.parameters())


def test_activations_are_the_standard_deviations_before_g():
    network, x = create_model("mlp", hidden=(50, 40)), torch.rand(30, 1, 28, 28)
    figures, curves = activations(copy.deepcopy(network), (x, torch.zeros(30)))
    network = network.double()
    z1 = network[1](x.double().flatten(1))
    assert curves["activation/by_layer"] == pytest.approx([z1.std().item(), network[3](z1.relu()).std().item()])
    assert figures["activation/last_sd"] == curves["activation/by_layer"][-1]


def test_he_keeps_the_signal_and_the_slides_formula_kills_it():
    last = {}
    for init in ("he", "slide"):
        recipe = Recipe(model="mlp", model_args={"hidden": (64,) * 10}, data="digits", init=init, steps=0, probes=("activations",))
        last[init] = train(Cell("a", "a", 0, "cpu", recipe)).summary["activation/last_sd"]
    assert 0.2 < last["he"] < 5
    assert last["slide"] < 1e-20


@pytest.mark.parametrize("layers", [[(3, 1, 1)], [(3, 1, 1), (3, 1, 2), (3, 1, 4)], [(5, 2, 1), (3, 1, 1), (3, 2, 2)], [(1, 1, 1), (2, 2, 1)]])
def test_arithmetic_agrees_with_the_gradient(layers):
    network = nn.Sequential(*(nn.Conv2d(1, 1, k, stride=s, dilation=d) for k, s, d in layers))
    field, jump = arithmetic(network)
    by_hand, step = 1, 1
    for k, s, d in layers:
        by_hand, step = by_hand + (k - 1) * d * step, step * s
    assert (field, jump) == (by_hand, step)
    assert measure(network, None)[0]["receptive_field"] == field


def test_the_slides_pooling_after_convolution():
    # "(P + K - 1) x (P + K - 1)": K = 5, P = 3
    network = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.MaxPool2d(3, stride=1))
    assert arithmetic(network)[0] == 3 + 5 - 1
    assert gradient_mask(network, 15).sum() == 49


def test_a_dead_or_cancelling_network_has_its_field_all_the_same():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Conv2d(1, 1, 3))
    for p in network.parameters():
        nn.init.zeros_(p)
    assert measure(network, None)[0]["receptive_field"] == 5


def test_the_field_is_measured_where_the_network_is():
    network = create_model("conv_stack").to("meta")  # stands for a GPU: a tensor of the CPU would not fit
    assert gradient_mask(network, 31).device.type == "meta"


def test_where_no_gradient_comes_no_share_of_it_is_known():
    network = create_model("mlp")
    for p in network.parameters():
        nn.init.zeros_(p)
    assert math.isnan(gradients(network, (torch.rand(4, 1, 28, 28), torch.arange(4)))[0]["gradient/log10_ratio"])


def test_what_a_probe_cannot_measure_is_said():
    with pytest.raises(DlgbenchError, match="probe gradients wants a network with a hidden layer"):
        gradients(create_model("mlp", hidden=()), (torch.rand(2, 1, 28, 28), torch.zeros(2).long()))
    with pytest.raises(DlgbenchError, match="probe activations wants data"):
        activations(create_model("mlp"), None)
    with pytest.raises(DlgbenchError, match="square windows are wanted"):
        arithmetic(nn.Sequential(nn.Conv2d(1, 1, (3, 5))))
