"""GoogLeNet against torchvision's, with its weights."""

import pytest
import torch
import torchvision
from torch import nn

from dlgbench import create_model
from dlgbench.models.googlenet import GoogLeNetOutput, Inception


def on_meta(**args):
    with torch.device("meta"):
        return create_model("googlenet", **args)


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * float(b.detach().abs().max()))


@pytest.mark.parametrize(("auxiliary", "count"), [(False, 6_624_904), (True, 13_004_888)])
def test_parameters(auxiliary, count):
    assert sum(p.numel() for p in on_meta(auxiliary=auxiliary).parameters()) == count


@pytest.mark.parametrize("auxiliary", [False, True])
def test_outputs_gradients_and_statistics_are_torchvisions(auxiliary):
    """In float64; each weight, scale, shift and running statistic has a value of its own, so that no two can be swapped unseen."""
    torch.manual_seed(0)
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(
            weights=None, init_weights=False, num_classes=5, aux_logits=auxiliary
        ).double()
    theirs.to_empty(device="cpu")
    for value in theirs.state_dict().values():
        if value.dim() > 1:
            nn.init.kaiming_normal_(value)
        elif value.dim():
            value.uniform_(0.5, 1.5)
        else:
            value.zero_()  # num_batches_tracked
    ours = on_meta(input_shape=(3, 64, 64), num_classes=5, auxiliary=auxiliary).double()
    weights = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict({name: value.clone() for name, value in weights}, assign=True)

    x, d_y = (
        torch.rand(2, 3, 64, 64, dtype=torch.float64),
        torch.randn(3, 2, 5, dtype=torch.float64),
    )
    with torch.no_grad():
        assert_same([ours.eval()(x)], [theirs.eval()(x)])
    outputs = []
    for network, fields in (
        (ours, ("logits", "aux1", "aux2")),
        (theirs, ("logits", "aux_logits1", "aux_logits2")),
    ):
        torch.manual_seed(1)  # the same units are dropped
        y = network.train()(x)
        outputs.append([getattr(y, field) for field in fields] if auxiliary else [y])
        sum((logits * d).sum() for logits, d in zip(outputs[-1], d_y, strict=False)).backward()
    assert_same(*outputs)
    assert_same([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()])
    assert_same(ours.buffers(), theirs.buffers())


def test_the_heads_speak_in_training_alone():
    network = create_model("googlenet", input_shape=(1, 28, 28), num_classes=3, width=0.125)
    x = torch.rand(2, 1, 28, 28)
    output = network(x)
    assert isinstance(output, GoogLeNetOutput)
    assert output._fields == ("logits", "aux1", "aux2")
    assert all(y.shape == (2, 3) for y in output)
    assert network.eval()(x).shape == (2, 3)
    assert create_model(
        "googlenet", input_shape=(1, 28, 28), num_classes=3, width=0.125, auxiliary=False
    )(x).shape == (2, 3)


def test_an_inception_module_concatenates_its_branches_and_its_5x5_is_torchvisions_3x3():
    torch.manual_seed(0)
    module = Inception(4, 2, 3, 5, 6, 7, 8).double()
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    y = module(x)
    assert y.shape == (3, 22, 6, 6)
    for branch, part in zip(
        (module.one, module.three, module.five, module.pool), y.split([2, 5, 7, 8], 1), strict=True
    ):
        assert torch.equal(branch(x), part)
    kernels = [m.kernel_size for m in module.modules() if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    assert kernels == [(1, 1), (1, 1), (3, 3), (1, 1), (3, 3), 3, (1, 1)]


@pytest.mark.parametrize(
    ("side", "sides"), [(28, (7, 7, 4)), (63, (15, 15, 8)), (64, (4, 4, 2)), (224, (14, 14, 7))]
)
def test_small_images_keep_their_sides_in_the_first_layer(side, sides):
    """By hand: 224 -> 112 -> 56 -> 28 -> 14 at 4a (3x3 and 2x2 windows, rounded up), 7 at the end; 63 -> 31 -> 15, 8."""
    network = on_meta(input_shape=(1, side, side), width=0.25)
    x, shapes = torch.zeros(2, 1, side, side, device="meta"), []
    for part in (network.lower, network.middle, network.upper):
        x = part(x)
        shapes.append(tuple(x.shape))
    assert shapes == [
        (2, channels // 4, s, s) for channels, s in zip((512, 528, 1024), sides, strict=True)
    ]
