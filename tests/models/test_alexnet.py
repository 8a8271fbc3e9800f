import pytest
import torch
import torchvision
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import weighted


def test_every_parameter_has_torchvisions_shape():
    with torch.device("meta"):
        ours, theirs = create_model("alexnet"), torchvision.models.alexnet(weights=None)
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
    assert sum(p.numel() for p in ours.parameters()) == 61_100_840
    x = torch.empty(1, 3, 224, 224, device="meta")
    shapes = []
    for layer in ours[:13]:
        x = layer(x)
        shapes += [] if isinstance(layer, nn.ReLU) else [tuple(x.shape[1:])]
    wanted = [
        (64, 55, 55),
        (64, 27, 27),
        (192, 27, 27),
        (192, 13, 13),
        (384, 13, 13),
        (256, 13, 13),
        (256, 13, 13),
        (256, 6, 6),
    ]
    assert shapes == wanted


def test_torchvisions_weights_give_torchvisions_outputs_and_gradients():
    with torch.device("meta"):
        ours = create_model("alexnet", input_shape=(3, 64, 160), num_classes=5)
    theirs = torchvision.models.alexnet(weights=None, num_classes=5).double()
    ours.load_state_dict(
        dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)), assign=True
    )  # the same tensors: each half a gigabyte
    x, signs = (
        torch.rand(2, 3, 64, 160, dtype=torch.float64),
        torch.randn(2, 5, dtype=torch.float64),
    )  # pooled to 1x4, so averaged to 6x6
    for training in (False, True):
        outputs = []
        for network in (ours.train(training), theirs.train(training)):
            torch.manual_seed(1)
            with torch.set_grad_enabled(training):
                outputs.append(network(x))
        assert torch.allclose(*outputs, rtol=0, atol=1e-10)
    gradients = [
        torch.autograd.grad((out * signs).sum(), list(net.parameters()))
        for out, net in zip(outputs, (ours, theirs), strict=True)
    ]
    for mine, other in zip(*gradients, strict=True):
        assert other.any()
        assert torch.dist(mine, other, p=torch.inf) <= 1e-10


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
    with pytest.raises(
        DlgbenchError,
        match=r"alexnet: images .* at least 8 are wanted; input_shape \(1, 7, 7\) came",
    ):
        create_model("alexnet", input_shape=(1, 7, 7))
