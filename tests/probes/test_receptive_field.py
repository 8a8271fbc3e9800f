import copy
import math

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.layers.normalization import NoisyBatchNorm2d, StandardizePatch
from dlgbench.layers.pooling import POOLINGS, pool
from dlgbench.layers.upsampling import UPSAMPLINGS, upsample
from dlgbench.models import MODELS
from dlgbench.probes.receptive_field import (
    arithmetic,
    effective_field,
    field,
    gradient_mask,
    measure,
)
from dlgbench.probes.subject import Subject

# LeCun et al. 1998; Araujo et al. 2019, Distill, Table 1; Huang et al. 2017 by the same arithmetic;
# 28 n - 3 for He's CIFAR nets.
PUBLISHED = {
    "lenet5": 32,
    "alexnet": 195,
    "vgg16": 212,
    "resnet50": 483,
    "resnet101": 1027,
    "resnet152": 1507,
    **{f"resnet{6 * n + 2}": 28 * n - 3 for n in (3, 5, 7, 9, 18)},
    "context_module": 67,  # Yu & Koltun 2016, Table 1
}
# In an MLP and a decoder of a code units see the whole image; of the others the gradient takes
# seconds, or vanishes below 1e-308.
# They are made of the steps of others that are tested, as resnet110 of those of resnet56.
WITHOUT_GRADIENT = {
    "mlp",
    "encoder_decoder",
    "resnet34",
    "resnet101",
    "resnet152",
    "densenet121",
    "fcn16s",
    "resnet110",
    "plain110",
    "resnet1202",
    "plain1202",
}


def sized(name, **args):
    with torch.device("meta"):
        return field(create_model(name, **args))


def both(network, shape=(1, 32, 32)):
    metrics = measure(Subject(network, shape)).metrics
    return metrics["receptive_field"], metrics["receptive_field/arithmetic"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_fields_are_as_published(name):
    args = {"v1": True} if name in ("resnet50", "resnet101", "resnet152") else {}
    assert sized(name, **args)[0] == PUBLISHED[name]


def test_a_stride_in_the_3x3_convolution_narrows_the_field():
    assert [sized(name)[0] for name in ("resnet50", "resnet101")] == [427, 971]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, model in MODELS.items()
        if model.default("width") is not None and name not in WITHOUT_GRADIENT
    ],
)
def test_arithmetic_agrees_with_the_gradient_for_every_model(name):
    side, _ = sized(name)
    network = create_model(name, width=0.01, num_classes=1)
    assert both(network, MODELS[name].default("input_shape")) == (side, side)


@pytest.mark.parametrize(
    ("build", "side"),
    [("alexnet", 195), ("vgg16", 212), ("resnet50", 427), ("densenet121", 2071)],
)
def test_torchvisions_networks_are_followed(build, side):
    with torch.device("meta"):
        network = getattr(torchvision.models, build)(weights=None)
    assert field(network, (3, 224, 224)) == (side, 32)


@pytest.mark.parametrize(
    "layers",
    [
        [(3, 1, 1)],
        [(3, 1, 1), (3, 1, 2), (3, 1, 4)],
        [(5, 2, 1), (3, 1, 1), (3, 2, 2)],
        [(1, 1, 1), (2, 2, 1)],
    ],
)
def test_arithmetic_by_hand(layers):
    network = nn.Sequential(*(nn.Conv2d(1, 1, k, stride=s, dilation=d) for k, s, d in layers))
    by_hand, step = 1, 1
    for k, s, d in layers:
        by_hand, step = by_hand + (k - 1) * d * step, step * s
    assert arithmetic(network) == (by_hand, step)
    assert both(network) == (by_hand, by_hand)


def test_the_slides_pooling_after_convolution():
    # "(P + K - 1) x (P + K - 1)": K = 5, P = 3
    network = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.MaxPool2d(3, stride=1))
    assert arithmetic(network) == (3 + 5 - 1, 1)
    assert gradient_mask(network, (1, 15, 15)).sum() == 49


def test_a_dead_or_cancelling_network_has_its_field_all_the_same():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Conv2d(1, 1, 3))
    for p in network.parameters():
        nn.init.zeros_(p)
    assert both(network) == (5, 5)


def test_the_field_is_measured_where_the_network_is():
    # "meta" stands for a GPU: a tensor of the CPU would not fit
    network = create_model("conv_stack").to("meta")
    assert gradient_mask(network, (1, 31, 31)).device.type == "meta"


class Functional(nn.Module):
    """Branches, slices, paddings and functional windows at once."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Conv2d(2, 2, 3, padding="same", dilation=2)
        self.up = nn.ConvTranspose2d(2, 2, 3, 2, padding=1, output_padding=1)

    def forward(self, x):
        a = F.relu(F.avg_pool2d(x, 2))
        b = F.pad(F.conv2d(x, self.kernel.weight, stride=2), (2, -1, 2, -1))
        a, b = a[:, :, :-1, :-1], b[..., :-1, :-1]
        c = self.up(self.kernel(a + b) * 0.5)
        d = F.interpolate(a.clone(), scale_factor=2, mode="bilinear")
        inner, resized = x[:, :, 1:-1, 1:-1], F.interpolate(a, size=c.shape[2:])
        return torch.cat([c, d, inner, resized], dim=1).sub_(1.0)


def up(name, kernel):
    return nn.Sequential(
        nn.Conv2d(2, 2, 3, 2, 1), upsample(name, 2, 2, 2, kernel), nn.Conv2d(2, 2, 3)
    )


def twice_up(name):
    fine, finer = upsample(name, 2, 2, 3, 3), upsample(name, 2, 2, 2, 5)
    return nn.Sequential(fine, nn.Conv2d(2, 2, 2), pool("max", 2), finer)


def pooled(name):
    return nn.Sequential(nn.Conv2d(2, 3, 3), pool(name, 3, 2), nn.Conv2d(3, 2, 2))


@pytest.mark.parametrize(
    "network",
    [
        Functional(),
        *(up(name, kernel) for name in UPSAMPLINGS for kernel in (2, 3, 4)),
        *(twice_up(name) for name in UPSAMPLINGS),
        *(pooled(name) for name in POOLINGS),
        nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(8, 4, 3), nn.PixelShuffle(2), nn.Conv2d(1, 1, 3)
        ),
        nn.Sequential(
            nn.Conv2d(2, 4, 3, groups=2),
            NoisyBatchNorm2d(4),
            nn.GroupNorm(2, 4),
            nn.GELU(),
            nn.Dropout2d(0.5),
            nn.Conv2d(4, 2, 3),
        ),
        nn.Sequential(
            StandardizePatch("none"),
            nn.Conv2d(2, 4, 5),
            nn.Sigmoid(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 3),
        ),
    ],
)
def test_layers_and_functions_agree_with_the_gradient(network):
    gradient, arithmetic = both(network, (2, 32, 32))
    assert gradient == arithmetic > 1


def test_each_location_of_a_locally_connected_layer_sees_its_window():
    network = nn.Sequential(
        LocallyConnected2d(1, 2, (8, 8), 3, padding="same"), nn.ReLU(), nn.Conv2d(2, 1, 3)
    )
    assert field(network, (1, 8, 8)) == (5, 1)


def test_a_branch_that_looks_at_the_whole_image_is_not_counted():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)
            self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())

        def forward(self, x):
            x = self.conv(x)
            x = x * self.gate(x)
            return (x - x.mean((1, 2, 3), keepdim=True)).mean((2, 3))

    assert field(Gated(), (1, 9, 9)) == (3, 1)


def test_the_size_of_the_images_does_not_matter():
    for name, shape in [
        ("lenet5", (1, 32, 32)),
        ("vgg16", (3, 224, 224)),
        ("colorization", (1, 32, 32)),
        ("unet", (1, 100, 60)),
    ]:
        network = create_model(name, width=0.01).double()
        assert field(network) == field(network, shape)


def test_a_unet_has_its_field_with_and_without_padding():
    side = 1 + 4 + 1 + 4 * 2 + 4  # twice 3x3, pooling, twice 3x3 at jump 2, twice 3x3
    assert field(create_model("unet", width=0.01, levels=1)) == (side, 1)
    same, valid = (
        create_model("unet", width=0.01, padding=padding) for padding in ("same", "valid")
    )
    assert field(valid, (1, 572, 572)) == field(same)
    gradient, by_arithmetic = both(valid, (1, 572, 572))
    assert gradient == by_arithmetic


def test_a_network_is_left_as_it_was():
    network = create_model("resnet20", width=0.25).train()
    before = copy.deepcopy(network.state_dict())
    field(network, (3, 32, 32))
    assert network.training
    assert all(
        p.device.type == "cpu" and torch.equal(p, before[name])
        for name, p in network.state_dict().items()
    )


def test_without_windows_over_an_image_there_is_no_field():
    assert sized("mlp") is None
    assert sized("function") is None
    assert field(nn.Sequential(nn.Conv1d(1, 1, 3)), (1, 9)) is None
    match = "windows over an image, none of them after a linear layer, got Sequential"
    with pytest.raises(DlgbenchError, match=match):
        arithmetic(create_model("mlp"))
    with pytest.raises(DlgbenchError, match=match):
        measure(Subject(create_model("mlp"), (1, 28, 28)))


def test_a_decoder_of_a_code_sees_the_whole_image_and_not_what_its_encoder_sees():
    network = create_model("encoder_decoder", width=0.1).eval()
    assert field(network.encoder[:6], (1, 28, 28)) == (15, 8)
    assert field(network, (1, 28, 28)) is None
    x = torch.rand(1, 1, 28, 28, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, 0, 0, 0], x)
    assert gradient[0, 0, -1].any()  # the first pixel of the output, the last row of the input
    with pytest.raises(DlgbenchError, match="none of them after a linear layer, got EncoderD"):
        measure(Subject(network, (1, 28, 28)))


def test_what_arithmetic_cannot_follow_is_said():
    class Then(nn.Module):
        def __init__(self, last):
            super().__init__()
            self.last = last

        def forward(self, x):
            return self.last(F.max_pool2d(x, 2))

    class Looks(nn.Module):
        def forward(self, x):
            return F.max_pool2d(x, 2) if x.sum() > 0 else x

    unknown = "expected steps that dlgbench.probes.rules knows, got"
    conv = nn.Conv2d(1, 1, 3)
    bicubic = nn.Upsample(scale_factor=2, mode="bicubic")
    cases = [
        (nn.Conv2d(1, 1, (3, 5)), "expected square windows, got a field of 3 rows and 5 columns"),
        (
            Then(lambda x: torch.flip(x, (2,))),
            f"receptive field of Then: {unknown} function flip",
        ),
        (
            Then(lambda x: x.transpose(1, 2)),
            "expected a transposition of rows and columns, got one of dimensions 1 and 2",
        ),
        (Then(lambda x: x[:, 0]), "expected slices of rows, columns and channels"),
        (
            Then(lambda x: torch.cat([x, x], 2)),
            "expected a concatenation along the channels, got one along rows or columns",
        ),
        (Then(lambda x: torch.stack([x, x], 1)), "expected a stack along a new last axis"),
        (
            Looks(),
            "torch.fx can trace, .* got Looks .*: symbolically traced variables cannot be used",
        ),
        (
            nn.Sequential(conv, nn.Upsample(17)),
            "expected up-sampling by an integer factor, got 30x30 to 17x17",
        ),
        (
            nn.Sequential(conv, bicubic),
            "expected interpolation nearest, or bilinear .*, got bicubic",
        ),
        (
            nn.Sequential(conv, nn.Flatten(2)),
            r"expected a map to be flattened to \(B, units\), got shape \(1, 1, 900\)",
        ),
        (nn.Sequential(conv, nn.ChannelShuffle(1)), f"{unknown} layer ChannelShuffle"),
    ]
    for network, message in cases:
        with pytest.raises(DlgbenchError, match=message):
            field(network, (1, 32, 32))


def linear(layers, kernel):
    network = nn.Sequential(*(nn.Conv2d(1, 1, kernel, bias=False) for _ in range(layers)))
    for layer in network:
        nn.init.constant_(layer.weight, 1.0)
    return network


def test_the_effective_field_of_equal_weights_is_a_gaussian():
    measured = effective_field(Subject(linear(12, 3), (1, 80, 80)))
    row = [1.0]
    for _ in range(12):
        row = np.convolve(row, np.ones(3))
    exact = np.outer(row, row) / max(row) ** 2
    picture = measured.arrays["effective_field/map"]
    assert picture.shape == (25, 25)
    np.testing.assert_allclose(picture, exact, rtol=1e-5)
    side = measured.metrics["effective_field"]
    assert side == math.sqrt((exact > 1 - 0.9545).sum())
    assert measured.metrics["effective_field/share"] == side / 25
    # Luo et al. 2016, section 2.2: variance n (k^2 - 1) / 12; above 1 - .9545 within
    # sqrt(2 log 22) of its SD
    gaussian = math.sqrt(math.pi * 2 * math.log(1 / 0.0455) * 12 * (3**2 - 1) / 12)
    assert side == pytest.approx(gaussian, rel=0.03)


def test_the_effective_field_grows_as_the_root_of_the_depth_and_its_share_shrinks():
    shallow, deep = (
        effective_field(Subject(linear(layers, 3), (1, 80, 80))).metrics for layers in (8, 32)
    )
    assert deep["effective_field"] / shallow["effective_field"] == pytest.approx(2, rel=0.05)
    assert deep["effective_field/share"] < 0.6 * shallow["effective_field/share"]


def test_a_large_effective_field_is_averaged_over_cells():
    measured = effective_field(Subject(linear(1, 64), (1, 80, 80)))
    assert measured.metrics == {"effective_field": 64, "effective_field/share": 1}
    np.testing.assert_allclose(measured.arrays["effective_field/map"], np.ones((32, 32)), rtol=1e-6)


def test_the_effective_field_is_of_the_networks_own_weights():
    network = nn.Conv2d(1, 1, 5)
    nn.init.zeros_(network.weight)
    with torch.no_grad():
        network.weight[0, 0, 1:3, 2] = -1.0
        network.weight[0, 0, 4, 4] = 0.04
    measured = effective_field(Subject(network, (1, 8, 8)))
    assert measured.metrics["effective_field"] == math.sqrt(2)
    expected = network.weight[0, 0].abs().detach()
    np.testing.assert_allclose(measured.arrays["effective_field/map"], expected, rtol=1e-6)
