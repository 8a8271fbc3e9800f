"""A classifier slid over an image in one pass, and FCN against torchvision's VGG-16 and by hand."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.models.fcn import _bilinear, to_fully_convolutional


def image(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def sliding(network, x, window, step):
    """The classifier on each window by itself, as one batch: (B, num_classes, rows, columns)."""
    windows = x.unfold(2, window[0], step).unfold(3, window[1], step)
    batch, channels, rows, columns = windows.shape[:4]  # and the window's sides
    out = network(windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels, *window))
    return out.reshape(batch, rows, columns, -1).permute(0, 3, 1, 2)


def pooled(_, channels):
    """Global average pooling, nested Sequentials, a stride, no padding."""
    pooling = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2))
    features = nn.Sequential(nn.Conv2d(channels, 4, 5, stride=2), pooling)
    head = (nn.Linear(4, 6, bias=False), nn.Tanh(), nn.Linear(6, 3))
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)


def narrow(name):
    def build(side, channels):
        return create_model(name, input_shape=(channels, side, side), num_classes=3, width=0.05)

    return build


@pytest.mark.parametrize(
    ("name", "side"),
    [("sliding_convnet", 28), ("lenet5", 32), ("alexnet", 224), ("vgg11", 224), ("vgg13_bn", 28)],
)
def test_the_classifiers_outputs_on_an_image_of_its_side(name, side):
    torch.manual_seed(0)
    network = narrow(name)(side, 3).double().eval()
    x = image(2, 3, side, side)
    dense = to_fully_convolutional(network, (3, side, side))
    assert not any(isinstance(layer, nn.Linear) for layer in dense.modules())
    with torch.no_grad():
        assert (dense(x)[:, :, 0, 0] - network(x)).abs().max() < 1e-12
    counts = [sum(p.numel() for p in net.parameters()) for net in (network, dense)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("make", "side", "step"),
    [(narrow("sliding_convnet"), 28, 4), (narrow("sliding_convnet"), 29, 4), (pooled, 21, 4)],
)
def test_a_dense_pass_is_the_sliding_window(make, side, step):
    network = make(side, 2).double()
    x = image(2, 2, side + 5 * step, side + 3 * step)
    dense = to_fully_convolutional(network, (2, side, side))(x)
    assert dense.shape == (2, 3, 6, 4)
    assert (dense - sliding(network, x, (side, side), step)).abs().max() < 1e-12


def test_a_window_need_not_be_square():
    network = create_model("sliding_convnet", input_shape=(1, 28, 20), num_classes=3).double()
    dense = to_fully_convolutional(network, (1, 28, 20))(x := image(1, 1, 36, 32))
    assert (dense - sliding(network, x, (28, 20), 4)).abs().max() < 1e-12


def test_with_padding_the_two_differ():
    features = (nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4))
    network = nn.Sequential(*features, nn.Flatten(), nn.Linear(4 * 16, 3)).double()
    x = image(1, 1, 24, 24)
    dense = to_fully_convolutional(network, (1, 16, 16))(x)
    # On the window alone the classifier sees zeros where the image goes on.
    assert (dense - sliding(network, x, (16, 16), 4)).abs().max() > 0.01


def test_the_conversion_copies_and_keeps_the_mode():
    network = create_model("vgg11_bn", input_shape=(1, 28, 28), num_classes=3, width=0.05).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    dense = to_fully_convolutional(network, (1, 28, 28))
    assert dense.training
    assert sum(isinstance(layer, nn.Dropout) for layer in dense) == 2
    nn.init.zeros_(dense[-1].weight)
    dense(torch.rand(2, 1, 60, 60))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_what_no_convolution_can_replace_is_refused():
    with pytest.raises(DlgbenchError, match="expected a Sequential, got Linear"):
        to_fully_convolutional(nn.Linear(4, 2), (1, 2, 2))
    normalized = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.BatchNorm1d(2))
    wanted = "expected layers that a convolution can replace, got BatchNorm1d"
    with pytest.raises(DlgbenchError, match=wanted):
        to_fully_convolutional(normalized, (1, 2, 2))
    layers = (nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9, 2))
    wanted = "expected adaptive pooling to 1x1 or to the map's 6x6, got AdaptiveAvgPool2d"
    with pytest.raises(DlgbenchError, match=wanted):
        to_fully_convolutional(nn.Sequential(*layers), (1, 8, 8))


def test_sliding_convnet_by_hand():
    by_hand = (25 * 32 + 32) + (9 * 32 * 64 + 64) + (64 * 25 * 128 + 128) + (128 * 10 + 10)
    count = sum(p.numel() for p in create_model("sliding_convnet").parameters())
    assert count == by_hand == 225_546


ENCODER = 14_714_688  # torchvision's vgg16().features
SHARED = ENCODER + (49 * 512 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 21 + 21)


@pytest.mark.parametrize(
    ("stride", "rest"),
    [
        (32, 441 * 64**2),
        (16, 441 * (4**2 + 32**2) + 512 * 21 + 21),
        (8, 441 * (2 * 4**2 + 16**2) + (512 + 256) * 21 + 2 * 21),
    ],
)
def test_parameters_by_hand(stride, rest):
    with torch.device("meta"):
        network = create_model(f"fcn{stride}s")
        theirs = torchvision.models.vgg16(weights=None).features
    assert sum(p.numel() for p in theirs.parameters()) == ENCODER
    assert SHARED == 134_346_581  # "134M" of Long et al. 2015, Table 1
    assert sum(p.numel() for p in network.parameters()) == SHARED + rest
    assert [p.shape for p in network.stages.parameters()] == [p.shape for p in theirs.parameters()]


def test_the_stages_are_torchvisions():
    vgg = torchvision.models.vgg
    theirs = vgg.make_layers(vgg.cfgs["D"], batch_norm=False).double()
    with torch.device("meta"):
        stages = create_model("fcn32s").stages
    weights = zip(stages.state_dict(), theirs.state_dict().values(), strict=True)
    stages.load_state_dict(dict(weights), assign=True)
    x = wanted = image(1, 3, 32, 64)
    for stage in stages:
        x = stage(x)
    assert torch.equal(x, theirs(wanted))


def test_sides_of_a_500_pixel_image():
    with torch.device("meta"):
        network, x = create_model("fcn8s"), torch.empty(1, 3, 500, 500)
        shapes = []
        for part in [*network.stages, network.classifier, *network.scores, *network.ups]:
            part.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
        assert network(x).shape == (1, 21, 500, 500)
    stages = [(64, 250, 250), (128, 125, 125), (256, 63, 63), (512, 32, 32), (512, 16, 16)]
    sides = [16, 32, 32, 64, 63, 504]  # scores and up-samplings, from coarse to fine
    assert shapes == [*stages, (4096, 16, 16), *((21, side, side) for side in sides)]


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_up_samplings_begin_as_bilinear_interpolation(factor):
    x = image(1, 3, 5, 6)
    wanted = F.interpolate(x, scale_factor=factor, mode="bilinear")
    inside = slice(factor, -factor)
    assert (_bilinear(3, factor).double()(x) - wanted)[:, :, inside, inside].abs().max() < 1e-12


@pytest.mark.parametrize("side", [28, 45, 64])
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_scores_at_the_inputs_resolution_at_any_side(stride, side):
    args = {"input_shape": (1, side, side + 3), "num_classes": 4, "width": 0.02}
    network = create_model(f"fcn{stride}s", **args)
    assert network(torch.rand(2, 1, side, side + 3)).shape == (2, 4, side, side + 3)


def test_fcn8s_adds_what_each_map_says():
    torch.manual_seed(0)
    args = {"input_shape": (2, 48, 48), "num_classes": 3, "width": 0.05}
    network = create_model("fcn8s", **args).double().eval()
    x = image(1, 2, 44, 48)
    with torch.no_grad():
        coarse = network(x)
        scores, maps = network.scores, []
        assert not scores[1].weight.any()
        assert not scores[2].weight.any()  # it begins with the coarser net's predictions
        for k in (1, 2):
            scores[k].reset_parameters()
        for stage in network.stages:
            maps.append(stage(maps[-1] if maps else x))
        of_pool4 = network.ups[2](network.ups[1](scores[1](maps[3])))  # sides 3 -> 6 -> 48
        of_pool3 = network.ups[2](scores[2](maps[2]))
        assert (network(x) - coarse - (of_pool4 + of_pool3)[:, :, :44]).abs().max() < 1e-12
