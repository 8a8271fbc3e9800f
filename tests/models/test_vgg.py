import pytest
import scipy.stats
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import weighted
from dlgbench.registry import MODELS

PLAIN = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}  # parameters
NAMES = [name + norm for name in PLAIN for norm in ("", "_bn")]


def test_the_family_is_whole():
    assert sorted(name for name in MODELS if name.startswith("vgg")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_torchvisions_shape(name, assert_same_shapes):
    with torch.device("meta"):
        network = create_model(name)
    plain, layers = name.removesuffix("_bn"), weighted(network)
    convolved = sum(layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d))
    gammas_and_betas = 2 * convolved if name.endswith("_bn") else 0
    assert_same_shapes(name, PLAIN[plain] + gammas_and_betas)
    assert len(layers) == int(plain[3:])
    assert network[:-8](torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 512, 7, 7)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_gradients_and_statistics_are_torchvisions(name, assert_same_results):
    assert_same_results(name)  # pooled to 2x3, so averaged to 7x7


@pytest.mark.parametrize(
    ("side", "sides"),
    [(28, [14, 7, 4, 2, 1]), (36, [18, 9, 5, 3, 2]), (63, [32, 16, 8, 4, 2]), (1, [1, 1, 1, 1, 1])],
)
def test_small_images_keep_what_is_left(side, sides):
    network = create_model("vgg11", input_shape=(1, side, side), num_classes=7, width=1 / 32)
    x, seen = torch.zeros(2, 1, side, side), []
    for layer in network:
        x = layer(x)
        seen += [x.shape[2]] if isinstance(layer, nn.MaxPool2d) else []
    assert seen == sides
    assert x.shape == (2, 7)
    assert weighted(network)[-3].in_features == 16 * sides[-1] ** 2


def test_images_need_not_be_square():
    network = create_model("vgg11", input_shape=(1, 28, 47), num_classes=7, width=1 / 32)
    assert network(torch.zeros(2, 1, 28, 47)).shape == (2, 7)


def test_weights_begin_at_hes():
    torch.manual_seed(0)
    layer = weighted(create_model("vgg11", input_shape=(1, 28, 28), width=0.25))[3]
    weight = layer.weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert scipy.stats.kstest((weight / weight.std()).detach().flatten(), "norm").pvalue > 1e-3
    assert not layer.bias.any()


def test_mistakes_name_the_model():
    wanted = r"vgg16_bn: expected images of shape \(C, H, W\) .*, got input_shape \(784,\)"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("vgg16_bn", input_shape=(784,))
    unexpected = r"vgg16\(\) got an unexpected keyword argument 'widht'"
    with pytest.raises(DlgbenchError, match=f"model vgg16 can't be built with .*: {unexpected}"):
        create_model("vgg16", widht=2)
