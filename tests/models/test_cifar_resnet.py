"""The residual networks of He et al. 2016, section 4.2, and the plain ones, by hand."""

import pytest
import scipy.stats
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.models.cifar_resnet import Shortcut, cifar_resnet

COUNTS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962, 1202: 19_421_274}


def windows(n):
    """(kernel, stride, inputs, outputs) of each convolution on the way, for n blocks a stage."""
    first = [(3, 1, 16, 16)] * (2 * n)
    second = [(3, 2, 16, 32)] + [(3, 1, 32, 32)] * (2 * n - 1)
    third = [(3, 2, 32, 64)] + [(3, 1, 64, 64)] * (2 * n - 1)
    return [(3, 1, 3, 16), *first, *second, *third]


@pytest.mark.parametrize("family", ["resnet", "plain"])
@pytest.mark.parametrize(("depth", "count"), COUNTS.items())
def test_parameters_layer_by_layer(family, depth, count):
    with torch.device("meta"):
        network = create_model(f"{family}{depth}")
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    by_hand = windows((depth - 2) // 6)
    sizes = [(m.kernel_size[0], m.stride[0], m.in_channels, m.out_channels) for m in convolutions]
    assert sizes == by_hand
    assert len(by_hand) + 1 == depth  # and the linear layer
    kernels = sum(kernel**2 * inputs * outputs for kernel, _, inputs, outputs in by_hand)
    gammas_and_betas = sum(2 * outputs for *_, outputs in by_hand)
    total = kernels + gammas_and_betas + 64 * 10 + 10
    assert sum(p.numel() for p in network.parameters()) == total == count


@pytest.mark.parametrize(
    ("depth", "side"), [(20, 81), (32, 137), (44, 193), (56, 249), (110, 501), (1202, 5597)]
)
def test_receptive_field_by_hand(depth, side):
    field = jump = 1
    for kernel, stride, *_ in windows((depth - 2) // 6):
        field, jump = field + (kernel - 1) * jump, jump * stride
    assert (field, jump) == (side, 4) == (28 * (depth - 2) // 6 - 3, 4)


@pytest.mark.parametrize(("name", "side"), [("resnet20", 81), ("plain20", 81), ("resnet44", 193)])
def test_receptive_field_by_gradient(name, side):
    torch.manual_seed(0)
    features = create_model(name, input_shape=(1, 240, 240), width=1 / 16).double().eval()[:-1]
    with torch.no_grad():
        for p in features.parameters():
            p.abs_()  # so that nothing cancels
    x = torch.ones(1, 1, 240, 240, dtype=torch.float64, requires_grad=True)
    features(x)[0, :, 30, 30].sum().backward()
    for axis in (0, 1):
        seen = x.grad[0, 0].any(axis).nonzero()
        assert seen.max() - seen.min() + 1 == side


@pytest.mark.parametrize(
    ("channels", "side", "sides"),
    [
        (3, 32, (32, 32, 16, 8)),
        (1, 28, (28, 28, 14, 7)),
        (1, 14, (14, 14, 7, 4)),
        (1, 1, (1, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("family", ["resnet", "plain"])
def test_shapes_layer_by_layer(family, channels, side, sides):
    args = {"input_shape": (channels, side, side), "num_classes": 7, "width": 0.25}
    network = create_model(f"{family}20", **args)
    x, shapes = torch.rand(2, channels, side, side), []
    for part in network[:-1]:
        x = part(x)
        shapes.append(tuple(x.shape))
    assert shapes == [(2, units, s, s) for units, s in zip((4, 4, 8, 16), sides, strict=True)]
    assert network.head(x).shape == (2, 7)


def normalized(x, weight, stride):
    """BN(W * x) in training with gamma 1 and beta 0.

    A matrix of patches times the kernel, minus the batch's mean, over its standard deviation.
    """
    side = -(-x.shape[2] // stride)
    y = (weight.flatten(1) @ F.unfold(x, 3, padding=1, stride=stride)).unflatten(2, (side, side))
    mean = y.mean((0, 2, 3), keepdim=True)
    return (y - mean) / ((y - mean).square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_a_block_is_its_equation(stage):
    torch.manual_seed(0)
    residual, plain = (
        create_model(name, width=0.25).double().get_submodule(stage)[0]
        for name in ("resnet20", "plain20")
    )
    plain.load_state_dict(residual.state_dict())  # the same names: only the shortcut differs
    x = torch.randn(5, 4, 7, 7, dtype=torch.float64)
    stride = residual.branch[0].stride[0]
    inner = normalized(x, residual.branch[0].weight, stride).clamp(min=0)
    f = normalized(inner, residual.branch[3].weight, 1)
    s = torch.zeros_like(f)
    s[:, :4] = x[:, :, ::stride, ::stride]
    assert torch.allclose(residual(x), (f + s).clamp(min=0), rtol=0, atol=1e-12)
    assert torch.allclose(plain(x), f.clamp(min=0), rtol=0, atol=1e-12)


def test_the_shortcut_subsamples_and_adds_channels_of_zeros():
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    subsampled, zeros = [[0.0, 2.0], [6.0, 8.0]], [[0.0, 0.0]] * 2
    assert torch.equal(Shortcut(2, 2)(x), torch.tensor([[subsampled, zeros, zeros]]))
    assert torch.equal(Shortcut(1, 0)(x), x)
    assert not list(Shortcut(2, 2).parameters())


def test_a_plain_network_is_the_residual_one_of_the_same_weights_whose_shortcuts_give_zeros():
    networks = []
    for name in ("resnet20", "plain20"):
        torch.manual_seed(3)
        networks.append(create_model(name, input_shape=(1, 14, 14), width=0.25).double())
    residual, plain = networks
    assert residual.state_dict().keys() == plain.state_dict().keys()
    for a, b in zip(residual.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b)
    x = torch.rand(4, 1, 14, 14, dtype=torch.float64)
    assert not torch.allclose(residual(x), plain(x), atol=0.01)
    shortcuts = [module for module in residual.modules() if type(module).__name__ == "Shortcut"]
    assert len(shortcuts) == 9
    for shortcut in shortcuts:
        shortcut.register_forward_hook(lambda _module, _inputs, output: 0 * output)
    assert torch.equal(residual(x), plain(x))


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_shortcuts_are_scaled_and_with_0_the_network_is_the_plain_one_to_the_bit(scale):
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert torch.equal(Shortcut(2, 2, scale)(x), scale * Shortcut(2, 2)(x))
    images = torch.rand(4, 1, 14, 14, generator=torch.Generator().manual_seed(0))
    gradients = []
    for name, args in (("resnet20", {"shortcut_scale": scale}), ("plain20", {})):
        torch.manual_seed(3)
        network = create_model(name, input_shape=(1, 14, 14), width=0.25, **args)
        network(images).square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True)) == (scale == 0)


def test_with_zero_gamma_a_block_begins_as_its_shortcut():
    torch.manual_seed(0)
    args = {"input_shape": (1, 14, 14), "width": 0.25, "zero_gamma": True}
    network = create_model("resnet20", **args).double()
    x = torch.rand(4, 1, 14, 14, dtype=torch.float64)
    stem = network.stem(x)
    assert torch.equal(network[:-1](x), Shortcut(4, 12)(stem))  # every fourth pixel
    network(x).square().sum().backward()
    for stage in (network.stage1, network.stage2, network.stage3):
        assert stage[0].branch[-1].weight.grad.any()


def test_convolutions_begin_as_hes():
    torch.manual_seed(0)
    weight = create_model("resnet20").stage3[0].branch[0].weight  # (64, 32, 3, 3): fan_out 9 * 64
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    assert scipy.stats.kstest((weight / weight.std()).detach().flatten(), "norm").pvalue > 1e-3


def test_what_cannot_be_built_says_so():
    wanted = r"cifar_resnet: expected a depth of 6n \+ 2 \(8, 14, 20, \.\.\.\), got 21"
    with pytest.raises(DlgbenchError, match=wanted):
        cifar_resnet(depth=21)
    with pytest.raises(DlgbenchError, match=r"plain20: expected zero_gamma=False, .*got True"):
        create_model("plain20", zero_gamma=True)
    wanted = r"plain20: expected shortcut_scale=1, since there are no shortcuts, got 0\.0"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("plain20", shortcut_scale=0.0)
