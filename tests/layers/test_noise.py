import itertools
import math

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.layers.noise import NOISES, STOCHASTIC, GaussianNoise, monte_carlo, noise


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_all_have_mean_x_and_the_same_variance_and_are_the_identity_in_evaluation(name, rate):
    layer = noise(name, rate)
    x = torch.full((400, 500, 1, 1), 3.0, dtype=torch.float64)  # 200,000 independent draws
    y = layer(x)
    variance = 9 * rate / (1 - rate)  # of x r, r of mean 1
    assert y.mean().item() == pytest.approx(3, abs=5 * math.sqrt(variance / y.numel()))
    assert y.var().item() == pytest.approx(variance, rel=0.03)
    assert torch.equal(layer.eval()(x), x)
    assert isinstance(layer, STOCHASTIC)  # so monte_carlo finds it
    assert torch.equal(noise(name, 0.0)(x), x)


@pytest.mark.parametrize("name", NOISES)
def test_equal_seeds_give_equal_draws_in_the_dtype_of_the_input(name):
    x = torch.ones(4, 8, 5, 5, dtype=torch.float64)
    layer, draws = noise(name, 0.5), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(layer(x))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert draws[0].dtype == torch.float64


def test_spatial_dropout_drops_whole_channels_of_single_samples():
    y = noise("spatial_dropout", 0.3)(torch.ones(200, 50, 4, 4))
    values = y.flatten(2)
    per_channel = values[..., :1]  # one r for each channel of each sample
    assert torch.equal(values, per_channel.expand_as(values))
    assert values.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (values[..., 0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(values[0], values[1])


def test_gaussian_noise_is_normal_and_its_gradient_is_its_factor():
    x = torch.ones(100_000, dtype=torch.float64, requires_grad=True)
    y = GaussianNoise(0.2)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())  # y = x r, x = 1
    standard = (y.detach() - 1) / 0.5  # sqrt(.2 / .8)
    assert standard.pow(3).mean().item() == pytest.approx(0, abs=0.05)
    assert standard.pow(4).mean().item() == pytest.approx(3, abs=0.1)


class Masked(nn.Module):
    """Dropout whose mask can be set, so that a test can use every mask."""

    def __init__(self, rate):
        super().__init__()
        self.rate, self.mask = rate, None

    def forward(self, x):
        return x * self.mask / (1 - self.rate)


def thinned(network, place, units, rate, x):
    """Logits of each of the 2^units thinned networks, with its probability."""
    masked = Masked(rate)
    copy = nn.Sequential(*(masked if k == place else layer for k, layer in enumerate(network)))
    for bits in itertools.product((0.0, 1.0), repeat=units):
        masked.mask = torch.tensor(bits, dtype=x.dtype)
        kept = int(sum(bits))
        yield rate ** (units - kept) * (1 - rate) ** kept, copy(x)


def test_weight_scaling_is_exact_for_a_linear_network():
    network = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.3), nn.Linear(6, 4)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    nets = list(thinned(network, 1, 6, 0.3, x))
    assert sum(p for p, _ in nets) == pytest.approx(1)
    mean_logits = sum(p * z for p, z in nets)
    assert torch.allclose(mean_logits, network.eval()(x), atol=1e-12)
    mean_log = torch.stack([p * z.log_softmax(1) for p, z in nets]).sum(0)
    geometric_mean = mean_log.softmax(1)  # normalized; Baldi & Sadowski 2013
    assert torch.allclose(geometric_mean, network(x).softmax(1), atol=1e-12)


def test_weight_scaling_is_an_approximation_where_a_relu_follows():
    layers = nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)
    network = nn.Sequential(*layers).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    mean_logits = sum(p * z for p, z in thinned(network, 1, 4, 0.5, x))
    assert not torch.allclose(mean_logits, network.eval()(x), atol=1e-3)


def test_monte_carlo_converges_to_the_mean_over_all_thinned_networks():
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(0.4), nn.Linear(5, 3)).double()
    network[3].weight.data *= 5
    x, k = torch.randn(4, 3, dtype=torch.float64), 2000
    nets = [(p, z.softmax(1).detach()) for p, z in thinned(network, 2, 5, 0.4, x)]
    mean = sum(p * q for p, q in nets)
    error = sum(p * (q - mean) ** 2 for p, q in nets).sqrt() / math.sqrt(k)  # standard error
    estimate = monte_carlo(network, x, k)
    assert ((estimate - mean).abs() < 5 * error).all()
    assert torch.allclose(estimate.sum(1), torch.ones(4, dtype=torch.float64))
    deterministic = network.eval()(x).softmax(1)
    assert ((deterministic - mean).abs() > 5 * error).any()


def test_monte_carlo_is_the_mean_of_its_passes_and_leaves_no_trace():
    hidden = nn.Linear(3, 8), nn.BatchNorm1d(8), GaussianNoise(0.5)
    network = nn.Sequential(*hidden, nn.Linear(8, 4), nn.Dropout(0.5)).double()
    network.train()
    network[0].eval()
    network(torch.randn(20, 3, dtype=torch.float64))
    running_mean = network[1].running_mean.clone()
    modes = [layer.training for layer in network.modules()]
    x = torch.randn(6, 3, dtype=torch.float64)
    torch.manual_seed(5)
    estimate = monte_carlo(network, x, 3)
    assert [layer.training for layer in network.modules()] == modes
    assert torch.equal(network[1].running_mean, running_mean)
    assert not estimate.requires_grad
    network.eval()
    for place in (2, 4):
        network[place].train()
    torch.manual_seed(5)
    by_hand = torch.stack([network(x).softmax(1) for _ in range(3)]).mean(0)
    assert torch.allclose(estimate, by_hand, atol=1e-12)


def test_monte_carlo_without_noise_is_the_deterministic_pass():
    network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.0)).double()
    x = torch.randn(2, 3, dtype=torch.float64)
    assert torch.allclose(monte_carlo(network, x, 7), network(x).softmax(1), atol=1e-15)


def test_modes_come_back_after_an_error_too():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    with pytest.raises(RuntimeError, match="shapes"):
        monte_carlo(network, torch.ones(2, 5), 1)
    assert all(layer.training for layer in network.modules())


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
@pytest.mark.parametrize("make", [GaussianNoise, lambda rate: noise("dropout", rate)])
def test_invalid_rates_are_refused(rate, make):
    with pytest.raises(DlgbenchError, match=f"at least 0 and below 1, got {rate}"):
        make(rate)


def test_unknown_names_and_no_samples_are_refused():
    with pytest.raises(DlgbenchError, match="no noise is called 'gauss'; did you mean 'gaussian'"):
        noise("gauss", 0.5)
    with pytest.raises(DlgbenchError, match="expected at least 1 sample, got 0"):
        monte_carlo(nn.Identity(), torch.ones(1, 2), 0)
