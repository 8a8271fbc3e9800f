import itertools
import math

import pytest
import torch
from scipy import stats
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.layers.initialization import build, lsuv
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.registry import INITIALIZATIONS, register_initialization


def net(*sizes):
    return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))


@pytest.mark.parametrize(
    ("scheme", "sd"),
    [
        ("normal", 0.01),
        ("slide", 0.01 / 400),
        ("glorot", math.sqrt(2 / (400 + 300))),
        ("he", math.sqrt(2 / 400)),
        ("orthogonal", 1 / math.sqrt(400)),
    ],
)
def test_standard_deviations_are_the_formulas(scheme, sd):
    layer = build(lambda: net(400, 300), scheme, seed=0)[0]
    assert layer.weight.std().item() == pytest.approx(sd, rel=0.02)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * sd / math.sqrt(400 * 300))
    assert not layer.bias.any()


def test_fan_in_of_a_convolution_counts_its_window():
    layer = build(lambda: nn.Sequential(nn.Conv2d(64, 128, 3)), "he", seed=0)[0]
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


@pytest.mark.parametrize(
    "make", [lambda: net(300, 200), lambda: nn.Sequential(nn.Conv2d(9, 80, 9))]
)
@pytest.mark.parametrize("scheme", ["normal", "slide", "glorot", "he"])
def test_weights_are_normal_and_not_of_another_distribution_with_that_variance(scheme, make):
    w = build(make, scheme, seed=0)[0].weight.detach().flatten().double()
    assert stats.kstest((w / w.std()).numpy(), "norm").pvalue > 0.01


def test_zero_and_orthogonal():
    assert not build(lambda: net(4, 3), "zero", 0)[0].weight.any()
    w = build(lambda: net(6, 4), "orthogonal", 0)[0].weight
    assert torch.allclose(w @ w.T, torch.eye(4), atol=1e-6)


def test_from_zero_only_the_output_bias_has_a_gradient():
    def of_units(activation):
        return build(lambda: nn.Sequential(*net(4, 3), activation, *net(3, 2)), "zero", 0)

    x, y = torch.rand(8, 4), torch.tensor([0, 1, 1, 1, 1, 1, 1, 1])
    network = of_units(nn.ReLU())
    nn.functional.cross_entropy(network(x), y).backward()
    moved = {name for name, w in network.named_parameters() if w.grad.any()}
    assert moved == {"2.bias"}
    network = of_units(nn.Sigmoid())  # whose units give .5: the weights that read them move
    nn.functional.cross_entropy(network(x), y).backward()
    assert network[2].weight.grad.any()


@pytest.mark.parametrize("scheme", [*INITIALIZATIONS, "default"])
def test_equal_seeds_agree_and_others_differ(scheme):
    first, again, other, twin = (
        build(lambda: net(4, 3, 2), scheme, *key)[0].weight for key in ((0,), (0,), (1,), (0, 1))
    )
    assert torch.equal(first, again)
    if scheme != "zero":
        assert not torch.equal(first, other)
        assert not torch.equal(first, twin)


def test_an_own_initialization_fills_each_weight_from_its_stream(monkeypatch):
    monkeypatch.setattr(INITIALIZATIONS, "_parts", dict(INITIALIZATIONS._parts))
    register_initialization("uniform")(lambda w, g: nn.init.uniform_(w, 2, 3, generator=g))
    one, again = (build(lambda: net(4, 3, 3), "uniform", 0) for _ in range(2))
    assert 2 <= one[0].weight.min() < one[0].weight.max() <= 3
    assert torch.equal(one[0].weight, again[0].weight)
    assert not torch.equal(one[0].weight[:, :3], one[1].weight)
    assert not one[0].bias.any()


def test_an_unknown_initialization_is_reported():
    with pytest.raises(DlgbenchError, match=r"no initialization is called 'hee'.* Known: default,"):
        build(lambda: net(4, 3), "hee", 0)


def test_layers_do_not_share_their_draws():
    network = build(lambda: net(3, 3, 3), "he", 0)
    assert not torch.equal(network[0].weight, network[1].weight)


def digits_like(n=512):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double() * 3 + 1


def conv_net(*between):
    layers = [
        nn.Conv2d(1, 8, 3),
        *between,
        nn.ReLU(),
        nn.Conv2d(8, 12, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12 * 16, 10),
    ]
    return nn.Sequential(*layers)


def outputs(network, x):
    """The output of each weighted layer, one layer after the other."""
    for layer in network:
        x = layer(x)
        if hasattr(layer, "weight") and layer.weight.dim() > 1:
            yield x


def test_lsuv_leaves_unit_variance_in_every_layer_and_keeps_the_directions():
    network, x = build(conv_net, "lsuv", 0).double(), digits_like()
    layers = network[0], network[2], network[5]
    before = [layer.weight.clone() for layer in layers]
    report = lsuv(network, x)
    assert [round(out.var(correction=0).item(), 12) for out in outputs(network, x)] == [1, 1, 1]
    assert list(report) == ["0", "2", "5"]
    assert list(report.values()) == pytest.approx([1, 1, 1], abs=1e-12)
    for layer, old in zip(layers, before, strict=True):  # scaled, nothing else
        direction = layer.weight / layer.weight.norm()
        assert torch.allclose(direction, old / old.norm(), atol=1e-12)
    w = before[1].flatten(1)  # 12 x 72: orthonormal rows
    assert torch.allclose(w @ w.T, torch.eye(12, dtype=torch.float64), atol=1e-6)


def test_lsuv_is_one_division_where_biases_are_zero():
    network = build(lambda: net(20, 30), "lsuv", 0).double()
    x = torch.randn(200, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = network[0].weight.clone()
    assert lsuv(network, x, tolerance=1e-12, max_iterations=1)["0"] == pytest.approx(1, abs=1e-12)
    assert torch.allclose(network[0].weight, w / (x @ w.T).var(correction=0).sqrt(), atol=1e-12)


def test_lsuv_iterates_where_biases_vary_and_stops_at_its_tolerance():
    torch.manual_seed(0)
    network = net(20, 30).double()
    nn.init.normal_(network[0].bias, 0, 0.3)
    x = torch.randn(200, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert abs(lsuv(network, x, max_iterations=1)["0"] - 1) > 0.02
    assert abs(lsuv(network, x)["0"] - 1) < 0.02
    before = network[0].weight.clone()
    lsuv(network, x)
    assert torch.equal(network[0].weight, before)  # within the tolerance: unchanged


def test_lsuv_follows_the_order_of_execution_not_of_registration():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.unused, self.first = nn.Linear(6, 4), nn.Linear(2, 2), nn.Linear(5, 6)

        def forward(self, x):
            return self.last(self.first(x).relu())

    torch.manual_seed(0)
    network, x = Backwards().double(), 9 * torch.randn(300, 5, dtype=torch.float64)
    variances = lsuv(network, x, tolerance=1e-6)
    assert list(variances) == ["first", "last"]  # and no layer that x does not pass through
    assert list(variances.values()) == pytest.approx([1, 1], abs=1e-6)


def test_lsuv_leaves_modes_running_statistics_and_random_streams_alone():
    network = build(lambda: conv_net(nn.BatchNorm2d(8), nn.Dropout(0.5)), "lsuv", 0).double()
    x = digits_like()
    network[2].eval()
    state, modes = torch.get_rng_state(), [module.training for module in network.modules()]
    buffers = [buffer.clone() for buffer in network.buffers()]
    lsuv(network, x)
    assert torch.equal(torch.get_rng_state(), state)  # dropout was off
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), buffers, strict=True))
    assert not any(module._forward_hooks for module in network.modules())


def test_lsuv_reports_which_layer_is_dead():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    nn.init.constant_(network[0].bias, -1e6)
    nn.init.zeros_(network[2].bias)
    message = (
        r"layer '2': expected outputs of finite variance above 0 on the batch, got variance 0\.0"
    )
    with pytest.raises(DlgbenchError, match=message):
        lsuv(network, torch.rand(50, 3, dtype=torch.float64), tolerance=1e13)


def test_each_location_of_a_locally_connected_layer_is_drawn_as_a_convolution_is():
    layer = build(lambda: nn.Sequential(LocallyConnected2d(16, 8, (12, 12), 3)), "glorot", 0)[0]
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (16 * 9 + 8 * 9)), rel=0.02)
    assert not layer.bias.any()
    layer = build(lambda: nn.Sequential(LocallyConnected2d(2, 4, (4, 4), 3)), "orthogonal", 0)[0]
    first, second, *rest = (kernel.flatten(1) for kernel in layer.kernels())
    assert torch.allclose(first @ first.T, torch.eye(4), atol=1e-6)
    assert len(rest) == 2
    assert not torch.equal(first, second)


def test_a_transposed_convolution_is_drawn_and_constrained_by_what_comes_in():
    from dlgbench.tasks.optimization import constrain

    network = build(lambda: nn.Sequential(nn.ConvTranspose2d(64, 16, 3)), "he", 0)
    plain = build(lambda: nn.Sequential(nn.Conv2d(64, 16, 3)), "he", 0)
    weight = network[0].weight.transpose(0, 1)  # (out, in, k, k), fan_in = 64 * 9 as in `plain`
    assert torch.equal(weight, plain[0].weight)
    constrain(network, 1.0)
    norms = weight.flatten(1).norm(dim=1)
    assert norms.max().item() == pytest.approx(1.0, abs=1e-4)


def test_an_own_scheme_may_draw_from_the_global_generator_and_must_fill_in_place(monkeypatch):
    monkeypatch.setattr(INITIALIZATIONS, "_parts", dict(INITIALIZATIONS))
    register_initialization("global")(lambda w, _: nn.init.normal_(w, 0, 0.1))
    register_initialization("returned")(lambda w, _: torch.zeros_like(w))

    def weights(seed, random_stream=0):
        make = lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))  # noqa: E731  (short)
        return [layer.weight for layer in build(make, "global", seed, random_stream)]

    first, torch_state = weights(0), torch.get_rng_state()
    torch.manual_seed(5)
    assert all(map(torch.equal, first, weights(0)))  # whatever was drawn before
    torch.set_rng_state(torch_state)
    for other in (weights(1), weights(0, 1)):
        assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])
    with pytest.raises(DlgbenchError, match="expected w to be filled in place, got a new tensor"):
        build(lambda: nn.Linear(3, 3), "returned", 0)
