"""Numbers that depend on seed, pass and position alone, against plain integers and scipy."""

import itertools

import pytest
import scipy.stats
import torch
from torch import nn

from dlgbench.layers.draws import HALF, Draws, mix
from dlgbench.layers.noise import NOISES, Dropout, GaussianNoise, noise, seed_noise
from dlgbench.layers.normalization import CovariateShift
from dlgbench.streams import stream_seed

CPU = torch.device("cpu")
SEEDS = (0, 1, 2**62 + 12345, 7_777_777_777)
LIKE = torch.zeros(())


def finalizer(word):
    """MurmurHash3's finalizer, on unsigned integers."""
    word ^= word >> 16
    word = word * 0x85EBCA6B % 2**32
    word ^= word >> 13
    word = word * 0xC2B2AE35 % 2**32
    return word ^ word >> 16


def number(seed, turn, position):
    """What the docstring of Draws says."""
    key = finalizer(finalizer(turn ^ (seed >> 32) % 2**32) ^ seed % 2**32)
    return finalizer(finalizer(position) ^ key)


def test_the_hash_is_the_published_one():
    # MurmurHash3 (32 bits) of no bytes is the finalizer of its seed: 0x514E28B7 for seed 1
    assert mix(torch.tensor([0, 1], dtype=torch.int32)).tolist() == [0, 0x514E28B7]


def test_bits_are_those_of_plain_integers_over_several_blocks_of_passes():
    draws = Draws(SEEDS)
    for turn in range(520):
        bits = draws.bits(5, CPU)
        if turn in (0, 1, 255, 256, 519):
            wanted = [[number(seed, turn, i) for i in range(5)] for seed in SEEDS]
            assert (bits.long() % 2**32).tolist() == wanted


def test_a_lane_gets_the_same_numbers_in_any_company():
    together, turned = Draws(SEEDS), Draws(SEEDS[::-1])
    alone = [Draws([seed]) for seed in SEEDS]
    for _ in range(3):
        rates = torch.tensor([0.2, 0.5, 0.7, 0.1])
        kept = together.kept(rates, (3, 5))
        assert torch.equal(turned.kept(rates.flip(0), (3, 5)).flip(0), kept)
        for lane, draws in enumerate(alone):
            assert torch.equal(draws.kept(rates[lane : lane + 1], (3, 5))[0], kept[lane])
    merged = Draws.merged([alone[2], alone[0]])  # goes on where they are
    assert torch.equal(merged.bits(9, CPU), together.bits(9, CPU)[[2, 0]])


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.999, 0.9999999])
def test_the_share_that_is_dropped_is_the_rate_and_the_mean_is_exact(rate):
    kept = Draws([3]).kept(torch.tensor([rate], dtype=torch.float64), (1000, 1001))
    rounded = min(round(rate * HALF), HALF - 1) / HALF
    assert sorted(kept.unique().tolist()) == pytest.approx([0, 1 / (1 - rounded)][not rate :])
    dropped = int((kept == 0).sum())
    assert scipy.stats.binomtest(dropped, kept.numel(), rounded).pvalue > 1e-4 or dropped == 0


def test_units_rows_steps_layers_and_seeds_are_independent():
    draws = Draws(range(40))
    rates = torch.full((40,), 0.5)
    kept = torch.stack([draws.kept(rates, (50, 20)) for _ in range(50)]) - 1  # steps, seeds, B, F
    for dims in ((0, 1), (0, 2), (1, 2, 3), (0, 2, 3)):  # sums of n signs have variance n
        sums = kept.sum(dims).flatten()
        n = kept.numel() / sums.numel()
        statistic = float((sums.double().square() / n).sum())
        assert 1e-4 < scipy.stats.chi2.cdf(statistic, sums.numel()) < 1 - 1e-4
    for dim in range(4):  # neighbours in a step, seed, row or unit
        size = kept.shape[dim]
        a, b = kept.narrow(dim, 0, size - 1), kept.narrow(dim, 1, size - 1)
        assert abs(float((a * b).double().mean())) * a.numel() ** 0.5 < 4.5


def test_uniform_and_normal_have_their_distributions():
    uniform = Draws([5]).uniform((200_000,), LIKE)[0]
    normal = Draws([6]).normal((200_000,), LIKE)[0]
    assert float(uniform.abs().max()) < 1
    assert scipy.stats.kstest(uniform.numpy(), "uniform", args=(-1, 2)).pvalue > 1e-4
    assert scipy.stats.kstest(normal.numpy(), "norm").pvalue > 1e-4
    whole = Draws([0]).bits(4, CPU) >> 8  # the largest and least numbers are inside (-1, 1)
    assert ((2 * whole.double() + 1) / 2**24).abs().max() < 1


@pytest.mark.parametrize("name", ["dropout", "spatial_dropout", "gaussian"])
def test_noise_in_bfloat16_is_that_of_float32_rounded(name):
    """Drawn in bfloat16 a uniform number rounds to 1, whose normal quantile is infinite."""
    narrow, wide = noise(name, 0.01), noise(name, 0.01)
    for layer in (narrow, wide):
        seed_noise(layer, seed=3)
    x = torch.ones(500, 40, 10, 10)
    y = narrow(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert torch.isfinite(y).all()
    assert torch.allclose(y.float(), wide(x), rtol=2**-7)


def test_layers_draw_by_seed_number_and_call_and_not_from_the_global_generator():
    def network():
        return nn.Sequential(Dropout(0.5), GaussianNoise(0.5), Dropout(0.5), CovariateShift(8))

    def passes(seed, stream=0, start=0):
        net = network()
        seed_noise(net, seed, stream)
        torch.manual_seed(start)
        x = torch.ones(4, 8)
        return [[layer(x) for layer in net] for _ in range(2)]

    first, again, other, elsewhere = passes(1), passes(1, start=9), passes(2), passes(1, stream=1)
    for turn, layer in itertools.product(range(2), range(4)):
        own = first[turn][layer]
        assert torch.equal(own, again[turn][layer])
        assert not torch.equal(own, other[turn][layer])
        assert not torch.equal(own, elsewhere[turn][layer])
        assert not torch.equal(own, first[1 - turn][layer])
    assert not torch.equal(first[0][0], first[0][2])  # two layers of one kind


@pytest.mark.parametrize("name", NOISES)
def test_the_draws_of_the_kth_layer_are_those_of_its_stream_whatever_else_is_there(name):
    x = torch.ones(6, 8, 2, 2)
    for before, after in itertools.product(range(4), range(4)):
        layers = [Dropout(0.5), nn.Identity(), GaussianNoise(0.5)][:before]
        others = [nn.ReLU(), noise(name, 0.2), Dropout(0.1)][:after]
        net = nn.Sequential(*layers, noise(name, 0.5), *others)
        seed_noise(net, 4, 2)
        k = (0, 1, 1, 2)[before]  # the identity draws nothing
        alone = noise(name, 0.5)
        alone.draws = Draws([stream_seed(4, f"noise/{k}", 2)])
        for _ in range(2):
            assert torch.equal(net[before](x), alone(x)), (before, after)


@pytest.mark.parametrize("name", ["dropout", "spatial_dropout", "gaussian"])
def test_seeded_noise_is_that_of_its_kind(name):
    layer = noise(name, 0.3)
    seed_noise(layer, 4)
    x = torch.full((300, 200, 3, 1), 2.0, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    per_draw = y[:, :, 0, 0] if name == "spatial_dropout" else y
    assert per_draw.mean().item() == pytest.approx(2, abs=0.02)
    assert per_draw.var().item() == pytest.approx(4 * 0.3 / 0.7, rel=0.03)
    assert torch.equal(y, y[:, :, :1].expand_as(y)) == (name == "spatial_dropout")
    y.sum().backward()
    assert torch.allclose(x.grad, y.detach() / 2)
    assert torch.equal(layer.eval()(x), x)
