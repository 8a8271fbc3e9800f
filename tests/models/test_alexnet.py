import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import weighted


def test_every_parameter_has_torchvisions_shape(assert_same_shapes):
    assert_same_shapes("alexnet", 61_100_840)


def test_shapes_by_hand():
    with torch.device("meta"):
        network = create_model("alexnet")
    x, shapes = torch.empty(1, 3, 224, 224, device="meta"), []
    for layer in network[:13]:
        x = layer(x)
        shapes += [] if isinstance(layer, nn.ReLU) else [tuple(x.shape[1:])]
    before = [(64, 55, 55), (64, 27, 27), (192, 27, 27), (192, 13, 13)]
    assert shapes == [*before, (384, 13, 13), (256, 13, 13), (256, 13, 13), (256, 6, 6)]


def test_outputs_and_gradients_are_torchvisions(assert_same_results):
    assert_same_results("alexnet")  # pooled to 1x2, so averaged to 6x6


@pytest.mark.parametrize(
    ("side", "sides"),
    [(28, [28, 14, 7, 3]), (36, [36, 18, 9, 4]), (63, [63, 31, 15, 7]), (8, [8, 4, 2, 1])],
)
def test_small_images_keep_what_is_left(side, sides):
    network = create_model("alexnet", input_shape=(1, side, side), num_classes=7, width=1 / 16)
    x, seen = torch.zeros(2, 1, side, side), []
    for layer in network:
        x = layer(x)
        seen += [x.shape[2]] if isinstance(layer, nn.MaxPool2d) or not seen else []
    assert seen == sides
    assert x.shape == (2, 7)
    assert weighted(network)[5].in_features == 16 * sides[-1] ** 2


def test_images_need_not_be_square():
    network = create_model("alexnet", input_shape=(1, 28, 47), num_classes=7, width=1 / 16)
    assert network(torch.zeros(2, 1, 28, 47)).shape == (2, 7)


def test_weights_begin_at_hes():
    layer = weighted(create_model("alexnet", input_shape=(1, 28, 28), width=0.5))[1]
    assert layer.weight.std().item() == pytest.approx((2 / (32 * 25)) ** 0.5, rel=0.02)
    assert not layer.bias.any()


def test_what_is_too_small_is_refused():
    wanted = r"alexnet: expected images .* at least 8, got input_shape \(1, 7, 7\)"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("alexnet", input_shape=(1, 7, 7))
