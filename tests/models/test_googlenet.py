"""GoogLeNet against torchvision's, with its weights."""

import pytest
import torch
from torch import nn

from dlgbench import create_model
from dlgbench.models.googlenet import GoogLeNetOutput, Inception


def on_meta(**args):
    with torch.device("meta"):
        return create_model("googlenet", **args)


HEADS = {
    False: {},
    True: {"logits": "logits", "aux1": "aux_logits1", "aux2": "aux_logits2"},  # torchvision's
}
COUNTS = {False: 6_624_904, True: 13_004_888}


@pytest.mark.parametrize("auxiliary", HEADS)
def test_every_parameter_has_torchvisions_shape(auxiliary, assert_same_shapes):
    theirs = {"init_weights": False, "aux_logits": auxiliary}
    assert_same_shapes("googlenet", COUNTS[auxiliary], theirs=theirs, auxiliary=auxiliary)


@pytest.mark.parametrize("auxiliary", HEADS)
def test_outputs_gradients_and_statistics_are_torchvisions(auxiliary, assert_same_results):
    theirs = {"init_weights": False, "aux_logits": auxiliary}
    assert_same_results("googlenet", theirs, HEADS[auxiliary], auxiliary=auxiliary)


def test_the_auxiliary_heads_give_logits_in_training_only():
    args = {"input_shape": (1, 28, 28), "num_classes": 3, "width": 0.125}
    network, x = create_model("googlenet", **args), torch.rand(2, 1, 28, 28)
    output = network(x)
    assert isinstance(output, GoogLeNetOutput)
    assert output._fields == ("logits", "aux1", "aux2")
    assert all(y.shape == (2, 3) for y in output)
    assert network.eval()(x).shape == (2, 3)
    assert create_model("googlenet", **args, auxiliary=False)(x).shape == (2, 3)


def test_an_inception_module_concatenates_its_branches_and_its_5x5_is_torchvisions_3x3():
    torch.manual_seed(0)
    module = Inception(4, 2, 3, 5, 6, 7, 8).double()
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    y = module(x)
    assert y.shape == (3, 22, 6, 6)
    branches = (module.one, module.three, module.five, module.pool)
    for branch, part in zip(branches, y.split([2, 5, 7, 8], 1), strict=True):
        assert torch.equal(branch(x), part)
    kernels = [m.kernel_size for m in module.modules() if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    assert kernels == [(1, 1), (1, 1), (3, 3), (1, 1), (3, 3), 3, (1, 1)]


@pytest.mark.parametrize(
    ("side", "sides"), [(28, (7, 7, 4)), (63, (15, 15, 8)), (64, (4, 4, 2)), (224, (14, 14, 7))]
)
def test_small_images_keep_their_sides_in_the_first_layer(side, sides):
    """By hand: 224 -> 112 -> 56 -> 28 -> 14 at 4a, 7 at the end; 63 -> 31 -> 15, 8.

    The windows are 3x3 and 2x2, and the sides are rounded up.
    """
    network = on_meta(input_shape=(1, side, side), width=0.25)
    x, shapes = torch.zeros(2, 1, side, side, device="meta"), []
    for part in (network.lower, network.middle, network.upper):
        x = part(x)
        shapes.append(tuple(x.shape))
    channels = (512 // 4, 528 // 4, 1024 // 4)
    assert shapes == [(2, c, s, s) for c, s in zip(channels, sides, strict=True)]
