"""U-Net as published, and what its skips do."""

import contextlib

import pytest
import scipy.stats
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.noise import seed_noise
from dlgbench.layers.upsampling import UPSAMPLINGS
from dlgbench.models.unet import NoiseSkip, NoSkip, Skip, valid_side


def count(**args):
    with torch.device("meta"):
        return sum(p.numel() for p in create_model("unet", **args).parameters())


def pair(a, b):
    return 9 * a * b + b + 9 * b * b + b


def test_parameters_by_hand_and_as_published():
    down = pair(1, 64) + pair(64, 128) + pair(128, 256) + pair(256, 512) + pair(512, 1024)
    # A 2x2 up-convolution from 2b to b maps, then the pair.
    up = sum(4 * 2 * b * b + b + pair(2 * b, b) for b in (512, 256, 128, 64))
    assert count(padding="valid") == count(padding="same") == down + up + 64 * 2 + 2 == 31_030_658
    with torch.device("meta"):
        layers = list(create_model("unet").modules())
    convolutions = [m for m in layers if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(convolutions) == 23  # "In total the network has 23 convolutional layers"


def test_shapes_are_figure_1s():
    with torch.device("meta"):
        network, shapes = create_model("unet", padding="valid"), []
        for part in [*network.down, *network.up, *network.skips, *network.merge, network.head]:
            part.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
        network(torch.empty(1, 1, 572, 572))
    down = [(64, 568, 568), (128, 280, 280), (256, 136, 136), (512, 64, 64), (1024, 28, 28)]
    up = [
        [(512, 56), (1024, 56), (512, 52)],
        [(256, 104), (512, 104), (256, 100)],
        [(128, 200), (256, 200), (128, 196)],
        [(64, 392), (128, 392), (64, 388)],
    ]
    rising = [(maps, side, side) for level in up for maps, side in level]
    assert shapes == [*down, *rising, (2, 388, 388)]


def test_sides_without_padding():
    assert valid_side(572, 4) == 388
    assert [valid_side(side, 1) for side in (18, 28)] == [2, 12]
    fits = {}
    for side in range(1, 260):
        with contextlib.suppress(DlgbenchError):
            fits[side] = valid_side(side, 4)
    assert fits == {side: side - 184 for side in range(188, 260, 16)}
    wanted = "expected maps with even sides .*, got side 569 at level 0 from an image of side 573"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("unet", input_shape=(1, 572, 573), padding="valid")
    with pytest.raises(DlgbenchError, match="at least one pixel after 1 levels, got side 16"):
        valid_side(16, 1)


def test_padding_changes_the_border_only():
    torch.manual_seed(0)
    args = {"input_shape": (1, 40, 40), "levels": 1, "width": 0.1}
    same, valid = (create_model("unet", **args, padding=p).double() for p in ("same", "valid"))
    valid.load_state_dict(same.body.state_dict())
    x = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    assert valid(x).shape == (2, 2, 24, 24)
    assert (valid(x) - same(x)[:, :, 8:-8, 8:-8]).abs().max() < 1e-12
    cropped = same(x[:, :, 4:-4, 4:-4])[:, :, 4:-4, 4:-4]  # its border reaches further inside
    assert (same(x)[:, :, 8:-8, 8:-8] - cropped).abs().max() > 1e-6


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("size", [(28, 28), (33, 50)])
def test_any_sides_with_padding(size, norm, skips):
    args = {"input_shape": (3, *size), "num_classes": 4, "width": 0.05}
    network = create_model("unet", **args, norm=norm, skips=skips)
    assert network(torch.rand(2, 3, *size)).shape == (2, 4, *size)


def test_without_skips_the_parameters_are_equal_and_all_are_used():
    assert count(skips=False) == count(skips=True)
    network = create_model("unet", input_shape=(1, 32, 32), skips=False, width=0.1)
    network(torch.rand(4, 1, 32, 32)).square().sum().backward()
    assert all((p.grad != 0).any() for p in network.parameters())
    for merge in network.body.merge:
        halves = merge[0].weight.grad.chunk(2, 1)
        assert all(half.any() for half in halves)


def test_skips_of_noise_tell_the_decoder_nothing():
    assert count(skips="noise") == count(skips=True)
    up, encoded = torch.rand(2, 3, 40, 40), torch.rand(2, 3, 40, 40)
    skip = NoiseSkip()
    torch.manual_seed(0)
    drawn = []
    for seed in (None, 7, 7):  # from the global generator, and from the layer's own
        if seed is not None:
            seed_noise(skip, seed)
        noise, kept = skip(up, encoded).chunk(2, 1)
        assert torch.equal(kept, up)
        assert scipy.stats.kstest(noise.flatten().numpy(), "norm").pvalue > 1e-3
    for _ in range(2):
        seed_noise(skip, 7)
        drawn.append([skip(up, encoded), skip(up, -encoded)])
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert not torch.equal(*drawn[0])
    with pytest.raises(DlgbenchError, match="no kind of skips is called 'noisy'; did you mean"):
        create_model("unet", skips="noisy")


def test_a_skip_is_the_middle_of_the_encoders_map():
    up, encoded = torch.rand(1, 2, 4, 6), torch.rand(1, 2, 8, 10)
    joined = Skip()(up, encoded)
    assert torch.equal(joined, torch.cat([encoded[:, :, 2:6, 2:8], up], 1))
    assert torch.equal(NoSkip()(up, encoded), torch.cat([up, up], 1))


def test_skips_replaced_by_their_class_are_the_net_without_skips():
    torch.manual_seed(0)
    network = create_model("unet", input_shape=(1, 32, 32), width=0.1)
    without = create_model("unet", input_shape=(1, 32, 32), width=0.1, skips=False)
    without.load_state_dict(network.state_dict())
    x = torch.rand(2, 1, 32, 32)
    assert (network(x) - without(x)).abs().max() > 1e-3
    assert [type(skip).__name__ for skip in network.body.skips] == ["Skip"] * 4
    for k in range(4):
        network.body.skips[k] = NoSkip()
    assert torch.equal(network(x), without(x))


@torch.no_grad()
def test_a_skip_can_carry_what_pooling_loses():
    x = torch.rand(1, 1, 32, 32).double()
    y = x.clone()  # with two values of each 2x2 block swapped: its largest value stays
    y[..., ::2, ::2] = x[..., 1::2, 1::2]
    y[..., 1::2, 1::2] = x[..., ::2, ::2]
    args = {"input_shape": (1, 32, 32), "levels": 1, "width": 1 / 64, "num_classes": 1}
    for skips, lost in ((True, False), (False, True)):
        network = create_model("unet", **args, skips=skips).double()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.bias)
                nn.init.zeros_(layer.weight)
                middle = layer.kernel_size[0] // 2
                layer.weight[:, :, middle, middle] = 1
        assert torch.allclose(network(x), network(y)) == lost


def test_up_samplings_and_norms_by_hand():
    counts = {name: count(upsampling=name) for name in UPSAMPLINGS}
    up = sum(4 * 2 * b * b + b for b in (512, 256, 128, 64))
    assert counts == dict.fromkeys(UPSAMPLINGS, 31_030_658) | {"pixel_shuffle": 31_030_658 + 3 * up}
    gammas = 2 * (64 + 128 + 256 + 512) * 2 + 2 * 1024  # beta is in place of the bias
    assert count(norm="batch") == 31_030_658 + gammas
    for name in UPSAMPLINGS:
        network = create_model("unet", input_shape=(1, 28, 28), upsampling=name, width=0.05)
        assert network(torch.rand(1, 1, 28, 28)).shape == (1, 2, 28, 28)
    for argument, known in (("padding", "same, valid"), ("norm", "batch, none")):
        with pytest.raises(DlgbenchError, match=f"no {argument} is called 'zero'. Known: {known}"):
            create_model("unet", **{argument: "zero"})
