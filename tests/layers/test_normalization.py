import copy

import pytest
import scipy.stats
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.layers.normalization import (
    CovariateShift,
    NoisyBatchNorm1d,
    NoisyBatchNorm2d,
    StandardizePatch,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def patches(n=6, channels=3):
    return torch.rand(n, channels, 7, 5, dtype=torch.float64)


def test_standardizing_by_hand():
    # The mean is 3, the variance (4 + 1 + 0 + 9) / 4 = 3.5.
    patch = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]], dtype=torch.float64)
    centred = torch.tensor([[[[-2.0, -1.0], [0.0, 3.0]]]], dtype=torch.float64)
    assert torch.allclose(StandardizePatch("mean")(patch), centred)
    assert torch.allclose(StandardizePatch(eps=0)(patch), centred / 3.5**0.5)
    assert torch.equal(StandardizePatch("none")(patch), patch)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0), (2, 0), (1, -0.7), (0.1, 0.3), (3, 5)])
def test_only_standardizing_is_invariant_to_brightness_and_contrast(a, b):
    x = patches()
    for mode, invariant in (("standardize", True), ("mean", a == 1), ("none", False)):
        layer = StandardizePatch(mode, eps=0)
        assert torch.allclose(layer(a * x + b), layer(x), atol=1e-12) == invariant
    layer = StandardizePatch()
    sd = x.flatten(1).std(1, correction=0).min().item()
    bound = layer(x).abs().max() * 1.01 * layer.eps / sd * abs(1 - 1 / a) + 1e-12
    assert (layer(a * x + b) - layer(x)).abs().max() <= bound


def test_a_negative_contrast_negates_and_a_constant_patch_is_zero():
    x, layer = patches(), StandardizePatch(eps=0)
    assert torch.allclose(layer(-2 * x + 1), -layer(x), atol=1e-12)
    constant = torch.full((2, 1, 4, 4), 0.5)
    assert torch.allclose(StandardizePatch()(constant), torch.zeros(2, 1, 4, 4))


def test_each_patch_has_its_own_statistics_over_all_its_channels():
    x = patches()
    y = StandardizePatch(eps=0)(x)
    assert torch.allclose(y.mean((1, 2, 3)), torch.zeros(6, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(y.square().mean((1, 2, 3)), torch.ones(6, dtype=torch.float64))
    assert torch.allclose(y[2:3], StandardizePatch(eps=0)(x[2:3]))
    assert torch.allclose(y, torch.nn.functional.layer_norm(x, x.shape[1:], eps=0.0), atol=1e-12)


def test_an_unknown_mode_is_reported():
    with pytest.raises(DlgbenchError, match="no mode of StandardizePatch is called 'whiten'"):
        StandardizePatch("whiten")


NOISY = [
    (NoisyBatchNorm1d, nn.BatchNorm1d, (64, 5)),
    (NoisyBatchNorm1d, nn.BatchNorm1d, (64, 5, 4)),
    (NoisyBatchNorm2d, nn.BatchNorm2d, (64, 5, 4, 3)),
]


@pytest.mark.parametrize(("noisy", "plain", "shape"), NOISY)
def test_without_noise_or_training_it_is_batch_normalization(noisy, plain, shape):
    x, reference = 3 * torch.randn(shape, dtype=torch.float64) + 1, plain(5).double()
    still, layer = noisy(5, shift=0, scale=1, jitter=0).double(), noisy(5).double()
    assert torch.allclose(still(x), reference(x), atol=1e-12)
    assert not torch.allclose(layer(x), reference(x), atol=0.1)
    values = x.transpose(0, 1).flatten(1)
    assert torch.allclose(still[0].running_mean, 0.1 * values.mean(1), rtol=1e-9)
    assert torch.allclose(still[0].running_var, 0.9 + 0.1 * values.var(1), rtol=1e-9)
    assert torch.allclose(layer[0].running_mean, still[0].running_mean, rtol=1e-9)
    reference.load_state_dict(layer[0].state_dict())  # the same parameters and running statistics
    assert torch.equal(layer.eval()(x), reference.eval()(x))


@pytest.mark.parametrize(("noisy", "plain", "shape"), NOISY)
def test_each_unit_has_a_mean_and_a_scale_that_change_at_every_step(noisy, plain, shape):
    shape = (4000, *shape[1:])
    x = torch.randn(shape, dtype=torch.float64)
    layer, reference = noisy(5, shift=2, scale=4, jitter=0.1).double(), plain(5).double()(x)
    steps = layer(x), layer(x)
    means = [y.transpose(0, 1).flatten(1).mean(1) for y in steps]
    scales = [y.transpose(0, 1).flatten(1).std(1) for y in steps]
    for mean, scale in zip(means, scales, strict=True):
        assert mean.abs().max() < 2.1
        assert mean.std() > 0.2  # units differ
        assert scale.min() > 0.95
        assert scale.max() < 4.1
        assert scale.std() > 0.1
    assert (means[0] - means[1]).abs().max() > 0.2  # and so do steps
    assert (scales[0] - scales[1]).abs().max() > 0.1
    unit, normal = steps[0][:, 0].flatten(), reference[:, 0].flatten()
    # (s - sigma) y + (m - mu), of variance r^2 y^2 + r^2 / 3.
    residual = unit - scales[0][0] * normal - means[0][0]
    assert residual.var().item() == pytest.approx(0.01 * (1 + 1 / 3), rel=0.15)


def test_shifts_and_scales_have_their_distributions():
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(2, 50_000)
    mu, moved = CovariateShift(50_000, shift=2, scale=4, jitter=0)(x)  # one for each unit
    m, scaled = CovariateShift(50_000, shift=0, scale=1, jitter=0.1)(1e9 * x)  # for each activation
    for sample, law in (
        (mu / 2, scipy.stats.uniform(-1, 2)),
        ((moved - mu - 1) / 3, scipy.stats.uniform(0, 1)),
        (m / 0.1, scipy.stats.uniform(-1, 2)),
        ((scaled / 1e9 - 1) / 0.1, scipy.stats.norm()),
    ):
        assert scipy.stats.kstest(sample.numpy(), law.cdf).pvalue > 1e-3


def test_the_noise_is_fixed_by_the_seed_and_lets_gradients_through():
    layer, draws = NoisyBatchNorm2d(5), []
    x = torch.randn(8, 5, 4, 3, requires_grad=True)
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(copy.deepcopy(layer)(x))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    (draws[0] * torch.randn_like(draws[0])).sum().backward()
    assert x.grad.abs().sum() > 0
