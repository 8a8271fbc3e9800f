"""ResNet-18 to -152 against torchvision's, with its weights; what torchvision has not, by hand."""

import math

import pytest
import scipy.stats
import torch
from torch import nn

from dlgbench import create_model
from dlgbench.models.resnet import Residual

COUNTS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


def on_meta(name, **args):
    with torch.device("meta"):
        return create_model(name, **args)


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_every_parameter_has_torchvisions_shape(name, count, assert_same_shapes):
    assert_same_shapes(name, count)


@pytest.mark.parametrize("name", COUNTS)
def test_outputs_gradients_and_statistics_are_torchvisions(name, assert_same_results):
    assert_same_results(name)


def main_path(network):
    """The convolutions and poolings from image to features, shortcuts left aside."""
    return [
        m
        for name, m in network.named_modules()
        if isinstance(m, nn.Conv2d | nn.MaxPool2d) and "shortcut" not in name
    ]


def field(network):
    side = jump = 1
    for layer in main_path(network):
        kernel, stride = layer.kernel_size, layer.stride
        if isinstance(layer, nn.Conv2d):
            kernel, stride = kernel[0], stride[0]
        side, jump = side + (kernel - 1) * jump, jump * stride
    return side, jump


@pytest.mark.parametrize(
    ("name", "args", "side"),
    [
        ("resnet18", {}, 435),
        ("resnet34", {}, 899),
        ("resnet50", {}, 427),
        ("resnet50", {"v1": True}, 483),
        ("resnet101", {"v1": True}, 1027),
        ("resnet152", {"v1": True}, 1507),
    ],
)
def test_receptive_fields_of_the_published_tables(name, args, side):
    assert field(on_meta(name, **args)) == (side, 32)


@pytest.mark.parametrize(("v1", "side"), [(False, 427), (True, 483)])
def test_the_receptive_field_by_gradient(v1, side):
    torch.manual_seed(0)
    network = create_model("resnet50", input_shape=(1, 576, 576), width=1 / 64, v1=v1)
    features = network.double().eval()[:-1]
    # The gradient of a maximum would reach one pixel only.
    features.stem[3] = nn.AvgPool2d(3, 2, padding=1)
    with torch.no_grad():
        for p in features.parameters():
            p.abs_()  # so that nothing cancels
    x = torch.ones(1, 1, 576, 576, dtype=torch.float64, requires_grad=True)
    features(x)[0, :, 9, 9].sum().backward()
    for axis in (0, 1):
        seen = x.grad[0, 0].any(axis).nonzero()
        assert seen.max() - seen.min() + 1 == side


def test_v1_puts_the_stride_into_the_first_1x1_and_v1_5_into_the_3x3():
    """By hand: kernels and strides in the first blocks of stages 1 and 2."""
    for v1, strides in [(True, [(1, 2), (3, 1), (1, 1)]), (False, [(1, 1), (3, 2), (1, 1)])]:
        network = on_meta("resnet50", v1=v1)
        windows = [
            [(layer.kernel_size[0], layer.stride[0]) for layer in main_path(stage[0])]
            for stage in (network.stage1, network.stage2)
        ]
        assert windows == [[(1, 1), (3, 1), (1, 1)], strides]
        assert sum(p.numel() for p in network.parameters()) == COUNTS["resnet50"]


def test_small_images_keep_their_sides_in_the_stem():
    by_hand = {28: [28, 28, 14, 7, 4], 63: [63, 63, 32, 16, 8], 64: [16, 16, 8, 4, 2]}
    for side, sides in by_hand.items():
        network = on_meta("resnet18", input_shape=(1, side, side), num_classes=3, width=0.25)
        x, shapes = torch.zeros(2, 1, side, side, device="meta"), []
        for part in network[:-1]:
            x = part(x)
            shapes.append(tuple(x.shape))
        channels = [16, 16, 32, 64, 128]
        assert shapes == [(2, c, s, s) for c, s in zip(channels, sides, strict=True)]
        assert network.head(x).shape == (2, 3)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_with_zero_gamma_a_block_begins_as_its_shortcut(name):
    torch.manual_seed(0)
    network = create_model(name, input_shape=(3, 32, 32), width=0.25, zero_gamma=True).double()
    blocks = [module for module in network.modules() if isinstance(module, Residual)]
    for block in blocks:
        x = torch.randn(4, block.branch[0].in_channels, 6, 6, dtype=torch.float64)
        assert torch.equal(block(x), block.shortcut(x).relu())
    assert len(blocks) == {"resnet18": 8, "resnet50": 16}[name]
    ordinary = create_model(name, input_shape=(3, 32, 32), width=0.25).double().stage1[1]
    x = torch.randn(4, ordinary.branch[0].in_channels, 6, 6, dtype=torch.float64)
    assert not torch.allclose(ordinary(x), x.relu(), atol=0.1)


def test_convolutions_begin_as_hes():
    torch.manual_seed(0)
    network = create_model("resnet18", width=0.5)
    weight = network.stage4[0].branch[0].weight  # (256, 128, 3, 3): fan_out 9 * 256
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 256)), rel=0.01)
    assert scipy.stats.kstest((weight / weight.std()).detach().flatten(), "norm").pvalue > 1e-3
    assert weight.mean().item() == pytest.approx(0, abs=2e-4)
