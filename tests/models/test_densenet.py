"""DenseNet-121 against torchvision's, with its weights; the DenseNets for small images by hand."""

import math

import pytest
import torch
import torchvision
from torch import nn

from dlgbench import DlgbenchError, create_model


def on_meta(name, **args):
    with torch.device("meta"):
        return create_model(name, **args)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * float(b.detach().abs().max()))


def test_outputs_gradients_and_statistics_are_torchvisions():
    """In float64; each weight, scale, shift and running statistic has a value of its own, so that no two can be swapped unseen."""
    torch.manual_seed(0)
    with torch.device("meta"):
        theirs = torchvision.models.densenet121(weights=None, num_classes=5).double()
        ours = create_model("densenet121", input_shape=(3, 64, 64), num_classes=5).double()
    theirs.to_empty(device="cpu")
    for value in theirs.state_dict().values():
        if value.dim() > 1:
            nn.init.kaiming_normal_(value)
        elif value.dim():
            value.uniform_(0.5, 1.5)
        else:
            value.zero_()  # num_batches_tracked
    weights = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict({name: value.clone() for name, value in weights}, assign=True)
    x, d_y = torch.rand(2, 3, 64, 64, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    with torch.no_grad():
        assert_same([ours.eval()(x)], [theirs.eval()(x)])
    for network in (ours, theirs):
        network.train()
        network.output = network(x)
        (network.output * d_y).sum().backward()
    assert_same([ours.output], [theirs.output])
    assert_same([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()])
    assert_same(ours.buffers(), theirs.buffers())


def layers_by_hand(depth, growth, *, bottleneck, compression, channels):
    """(kernel, inputs, outputs) of each convolution, and the channels of the features."""
    layers = [(3, 3, channels)]
    for block in range(3):
        for _ in range((depth - 4) // (6 if bottleneck else 3)):
            layers += (
                [(1, channels, 4 * growth), (3, 4 * growth, growth)]
                if bottleneck
                else [(3, channels, growth)]
            )
            channels += growth
        if block < 2:
            layers.append((1, channels, int(compression * channels)))
            channels = layers[-1][2]
    return layers, channels


@pytest.mark.parametrize(
    ("name", "args", "by_hand", "count"),
    [
        ("densenet_40_12", {}, (40, 12, False, 1, 16), 1_019_722),
        ("densenet_bc_100_12", {}, (100, 12, True, 0.5, 24), 769_162),
        ("densenet_40_12", {"depth": 22, "growth": 8}, (22, 8, False, 1, 16), None),
        (
            "densenet_bc_100_12",
            {"depth": 22, "growth": 5, "compression": 0.7},
            (22, 5, True, 0.7, 10),
            None,
        ),
        (
            "densenet_bc_100_12",
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
    total = (
        sum(kernel**2 * inputs * outputs for kernel, inputs, outputs in layers)
        + normalized
        + features * 10
        + 10
    )
    assert parameters(network) == total
    assert count in (None, total)


def test_parameters_of_densenet121():
    assert parameters(on_meta("densenet121")) == 7_978_856


def test_a_layer_is_its_equation_and_hands_on_all_it_saw():
    """y = [x, W2 * max(0, BN(W1 * max(0, BN(x))))], the convolutions as matrices."""
    torch.manual_seed(0)
    layer = create_model("densenet_bc_100_12", depth=10, width=0.5).double()[1][0]
    x = torch.randn(3, 12, 5, 5, dtype=torch.float64)

    def activated(a):
        mean = a.mean((0, 2, 3), keepdim=True)
        return (
            (a - mean) / ((a - mean).square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
        ).clamp(min=0)

    inner = torch.einsum("oi,bihw->bohw", layer.branch[2].weight[:, :, 0, 0], activated(x))
    patches = nn.functional.unfold(activated(inner), 3, padding=1)
    new = (layer.branch[5].weight.flatten(1) @ patches).unflatten(2, (5, 5))
    assert new.shape == (3, 6, 5, 5)  # growth 12, halved
    assert torch.allclose(layer(x), torch.cat([x, new], 1), rtol=0, atol=1e-12)
    assert torch.equal(layer(x)[:, :12], x)


@pytest.mark.parametrize(
    ("name", "side", "shapes"),
    [  # channels and side after each block and transition, at a quarter of the width
        (
            "densenet121",
            64,
            [
                (16 + 6 * 8, 16),
                (32, 8),
                (32 + 12 * 8, 8),
                (64, 4),
                (64 + 24 * 8, 4),
                (128, 2),
                (128 + 16 * 8, 2),
            ],
        ),
        ("densenet121", 28, [(64, 28), (32, 14), (128, 14), (64, 7), (256, 7), (128, 3), (256, 3)]),
        ("densenet_40_12", 28, [(4 + 12 * 3, 28), (40, 14), (76, 14), (76, 7), (112, 7)]),
        ("densenet_bc_100_12", 28, [(6 + 16 * 3, 28), (27, 14), (75, 14), (37, 7), (85, 7)]),
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
    assert not network[-1].bias.any()


def test_what_cannot_be_built_says_so():
    with pytest.raises(
        DlgbenchError, match=r"a depth of 3n \+ 4, 7, 10, \.\.\., is wanted; 41 came"
    ):
        create_model("densenet_40_12", depth=41)
    with pytest.raises(
        DlgbenchError, match=r"a depth of 6n \+ 4, 10, 16, \.\.\., is wanted; 4 came"
    ):
        create_model("densenet_bc_100_12", depth=4)
    with pytest.raises(
        DlgbenchError, match="a compression above 0, and at most 1, is wanted; 2 came"
    ):
        create_model("densenet_bc_100_12", compression=2)
