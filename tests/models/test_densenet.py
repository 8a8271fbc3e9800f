"""DenseNet-121 against torchvision's, with its weights; the DenseNets for small images by hand."""

import math

import pytest
import scipy.stats
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model


def on_meta(name, **args):
    with torch.device("meta"):
        return create_model(name, **args)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_every_parameter_of_densenet121_has_torchvisions_shape(assert_same_shapes):
    assert_same_shapes("densenet121", 7_978_856)


def test_outputs_gradients_and_statistics_are_torchvisions(assert_same_results):
    assert_same_results("densenet121")


def layers_by_hand(depth, growth, *, bottleneck, compression, channels):
    """(kernel, inputs, outputs) of each convolution, and the channels of the features."""
    layers = [(3, 3, channels)]
    for block in range(3):
        for _ in range((depth - 4) // (6 if bottleneck else 3)):
            layers += [(1, channels, 4 * growth)] if bottleneck else []
            layers.append((3, 4 * growth if bottleneck else channels, growth))
            channels += growth
        if block < 2:
            layers.append((1, channels, int(compression * channels)))
            channels = layers[-1][2]
    return layers, channels


BC, PLAIN = "densenet_bc_100_12", "densenet_40_12"


@pytest.mark.parametrize(
    ("name", "args", "by_hand", "count"),
    [
        (PLAIN, {}, (40, 12, False, 1, 16), 1_019_722),
        (BC, {}, (100, 12, True, 0.5, 24), 769_162),
        (PLAIN, {"depth": 22, "growth": 8}, (22, 8, False, 1, 16), None),
        (BC, {"depth": 22, "growth": 5, "compression": 0.7}, (22, 5, True, 0.7, 10), None),
        (
            BC,
            {"depth": 40, "bottleneck": False, "compression": 1},
            (40, 12, False, 1, 16),
            1_019_722,
        ),
    ],
)
def test_parameters_layer_by_layer(name, args, by_hand, count):
    network = on_meta(name, **args)
    depth, growth, bottleneck, compression, channels = by_hand
    layers, features = layers_by_hand(
        depth, growth, bottleneck=bottleneck, compression=compression, channels=channels
    )
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.kernel_size[0], m.in_channels, m.out_channels) for m in convolutions] == layers
    assert len(layers) + 1 == depth  # and the linear layer
    normalized = sum(2 * inputs for _, inputs, _ in layers[1:]) + 2 * features
    kernels = sum(kernel**2 * inputs * outputs for kernel, inputs, outputs in layers)
    total = kernels + normalized + features * 10 + 10
    assert parameters(network) == total
    assert count in (None, total)


def test_a_layer_is_its_equation_and_hands_on_all_it_saw():
    """y = [x, W2 * max(0, BN(W1 * max(0, BN(x))))], the convolutions as matrices."""
    torch.manual_seed(0)
    layer = create_model("densenet_bc_100_12", depth=10, width=0.5).double()[1][0]
    x = torch.randn(3, 12, 5, 5, dtype=torch.float64)

    def activated(a):
        mean = a.mean((0, 2, 3), keepdim=True)
        variance = (a - mean).square().mean((0, 2, 3), keepdim=True)
        return ((a - mean) / (variance + 1e-5).sqrt()).clamp(min=0)

    inner = torch.einsum("oi,bihw->bohw", layer.branch[2].weight[:, :, 0, 0], activated(x))
    patches = nn.functional.unfold(activated(inner), 3, padding=1)
    new = (layer.branch[5].weight.flatten(1) @ patches).unflatten(2, (5, 5))
    assert new.shape == (3, 6, 5, 5)  # growth 12, halved
    assert torch.allclose(layer(x), torch.cat([x, new], 1), rtol=0, atol=1e-12)
    assert torch.equal(layer(x)[:, :12], x)


def test_without_concatenation_the_layers_are_a_chain():
    args = {"depth": 22, "width": 0.5, "input_shape": (1, 8, 8), "concatenate": False}
    network = on_meta(BC, **args)
    x, seen = torch.zeros(2, 1, 8, 8, device="meta"), []
    for part in network:
        x = part(x)
        if isinstance(part, nn.Sequential):
            seen.append((x.shape[1], x.shape[2]))
    assert seen == [(6, 8), (3, 4), (6, 4), (3, 2), (6, 2)]
    torch.manual_seed(0)
    layer = create_model(BC, depth=10, width=0.5, concatenate=False)[1][0]
    x = torch.randn(3, 12, 5, 5)
    assert torch.equal(layer(x), layer.branch(x))


# Channels and side after each block and transition, at a quarter of the width.
CHANNELS = [16 + 6 * 8, 32, 32 + 12 * 8, 64, 64 + 24 * 8, 128, 128 + 16 * 8]
LARGE, SMALL = [16, 8, 8, 4, 4, 2, 2], [28, 14, 14, 7, 7, 3, 3]
OF_40 = [(4 + 12 * 3, 28), (40, 14), (76, 14), (76, 7), (112, 7)]
OF_BC = [(6 + 16 * 3, 28), (27, 14), (75, 14), (37, 7), (85, 7)]


@pytest.mark.parametrize(
    ("name", "side", "shapes"),
    [
        ("densenet121", 64, list(zip(CHANNELS, LARGE, strict=True))),
        ("densenet121", 28, list(zip(CHANNELS, SMALL, strict=True))),
        (PLAIN, 28, OF_40),
        (BC, 28, OF_BC),
    ],
)
def test_shapes_block_by_block(name, side, shapes):
    network = on_meta(name, input_shape=(1, side, side), num_classes=3, width=0.25)
    x, seen = torch.zeros(2, 1, side, side, device="meta"), []
    for part in network:
        x = part(x)
        if isinstance(part, nn.Sequential):
            seen.append((x.shape[1], x.shape[2]))
            assert x.shape[2] == x.shape[3]
    assert seen == shapes
    assert x.shape == (2, 3)


def test_convolutions_begin_as_hes():
    torch.manual_seed(0)
    network = create_model("densenet121")
    weight = network[4][5].branch[2].weight
    assert weight.shape == (128, 224, 1, 1)
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 224), rel=0.02)  # fan_in 224
    assert scipy.stats.kstest((weight / weight.std()).detach().flatten(), "norm").pvalue > 1e-3
    assert not network[-1].bias.any()


def test_what_cannot_be_built_says_so():
    wanted = r"expected a depth of 3n \+ 4 \(7, 10, \.\.\.\), got 41"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("densenet_40_12", depth=41)
    wanted = r"expected a depth of 6n \+ 4 \(10, 16, \.\.\.\), got 4"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("densenet_bc_100_12", depth=4)
    wanted = "expected a compression above 0 and at most 1, got 2"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("densenet_bc_100_12", compression=2)
