import pytest
import torch
import torchvision
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import weighted
from dlgbench.models import MODELS

PLAIN = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}  # parameters
NAMES = [name + norm for name in PLAIN for norm in ("", "_bn")]


def both(name, **args):
    """Ours and torchvision's, on no device."""
    with torch.device("meta"):
        return create_model(name, **args), getattr(torchvision.models, name)(
            weights=None, init_weights=False, num_classes=args.get("num_classes", 1000)
        )


def test_the_family_is_whole():
    assert sorted(name for name in MODELS if name.startswith("vgg")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_torchvisions_shape(name):
    ours, theirs = both(name)
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
    count = PLAIN[name.removesuffix("_bn")]
    convolved = sum(layer.out_channels for layer in weighted(ours) if isinstance(layer, nn.Conv2d))
    assert sum(p.numel() for p in ours.parameters()) == count + (
        2 * convolved if name.endswith("_bn") else 0
    )  # gamma and beta
    assert len(weighted(ours)) == int(name.removesuffix("_bn")[3:])
    assert ours[:-8](torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 512, 7, 7)


def narrowed(network, units=16):
    """The network in float64 on the CPU, its linear layers cut to few units: whole, they weigh a gigabyte, and their shapes are proved above."""
    linear = [
        (parent, key)
        for parent in network.modules()
        for key, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    for (parent, key), sizes in zip(
        linear, [(512 * 7 * 7, units), (units, units), (units, 5)], strict=True
    ):
        setattr(parent, key, nn.Linear(*sizes, device="meta"))
    return network.double().to_empty(device="cpu")


@pytest.mark.parametrize("name", NAMES)
def test_torchvisions_weights_give_torchvisions_outputs_and_gradients(name):
    ours, theirs = (
        narrowed(network) for network in both(name, input_shape=(3, 64, 64), num_classes=5)
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for values in theirs.state_dict().values():
            if values.dim() > 1:
                nn.init.kaiming_normal_(values)
            else:
                values.fill_(0) if not values.dim() else values.uniform_(0.5, 1.5)
        ours.load_state_dict(
            dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
        )
    x, signs = torch.rand(2, 3, 64, 64, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    for training in (False, True):
        outputs = []
        for network in (ours.train(training), theirs.train(training)):
            torch.manual_seed(1)
            with torch.set_grad_enabled(training):
                outputs.append(network(x))
        assert outputs[1].abs().sum() > 0
        assert torch.allclose(*outputs, rtol=1e-10, atol=1e-10)
    gradients = [
        torch.autograd.grad((out * signs).sum(), list(net.parameters()))
        for out, net in zip(outputs, (ours, theirs), strict=True)
    ]
    for mine, other in zip(*gradients, strict=True):
        assert other.abs().sum() > 0
        assert (mine - other).abs().max() <= 1e-10 * other.abs().max()
    assert all(
        torch.allclose(a, b, rtol=1e-10, atol=0)
        for a, b in zip(ours.buffers(), theirs.buffers(), strict=True)
    )  # running statistics


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
    layer = weighted(create_model("vgg11", input_shape=(1, 28, 28), width=0.25))[3]
    assert layer.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not layer.bias.any()


def test_mistakes_name_the_model():
    with pytest.raises(
        DlgbenchError,
        match=r"vgg16_bn: images of shape \(C, H, W\) .* are wanted; input_shape \(784,\) came",
    ):
        create_model("vgg16_bn", input_shape=(784,))
    with pytest.raises(
        DlgbenchError,
        match=r"model vgg16 can't be built with .*: vgg16\(\) got an unexpected keyword argument 'widht'",
    ):
        create_model("vgg16", widht=2)
