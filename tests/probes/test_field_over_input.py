import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import create_model
from dlgbench.discovery import load
from dlgbench.model_table import rows
from dlgbench.probes.field_over_input import expected_gradient, field_over_input
from dlgbench.probes.receptive_field import gradient_mask
from dlgbench.probes.subject import Subject


def drawn(network, shape):
    arrays = field_over_input(Subject(network, shape)).arrays
    return arrays["field_over_input/image"], arrays["field_over_input/frame"].tolist()


def test_the_frame_by_hand():
    network = nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), nn.AvgPool2d(2))
    # 10 units of each axis; unit 5 pools the pixels 10 and 11, which see 8 to 13
    image, frame = drawn(network, (1, 20, 20))
    assert frame == [20, 20, 8, 13, 8, 13]
    assert image.shape == (20, 20)
    assert image.dtype == np.uint8
    assert drawn(nn.Conv2d(1, 1, 5, padding=2), (1, 4, 6))[1] == [4, 6, 0, 4, 1, 5]


@pytest.mark.parametrize("name", ["lecture_convnet", "conv_stack", "lenet5"])
def test_inside_the_image_the_frame_is_the_gradients(name):
    shape = (1, 100, 100)
    network = create_model(name, input_shape=shape, num_classes=1, width=0.1)
    _, frame = drawn(network, shape)
    layers = [layer for layer in network if not isinstance(layer, nn.Flatten | nn.Linear)]
    (mask,) = gradient_mask(nn.Sequential(*layers), shape)
    seen = [mask.any(axis).nonzero().ravel() for axis in (1, 0)]
    assert frame == [100, 100, *(int(edge) for axis in seen for edge in (axis[0], axis[-1]))]


def test_of_up_sampled_units_it_is_one_that_sees_most():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Upsample(scale_factor=2))
    network.append(nn.Conv2d(1, 1, 2))
    # 17 units: unit 8 sees the map's unit 4 twice, unit 9 its units 4 and 5: the pixels 3 to 6
    assert drawn(network, (1, 9, 9))[1] == [9, 9, 3, 6, 3, 6]


def test_a_large_input_is_recorded_small_and_its_frame_in_its_own_pixels():
    network = create_model("vgg16", num_classes=1, width=0.01)
    image, frame = drawn(network, (3, 224, 224))
    assert image.shape == (128, 128)
    assert frame[3] - frame[2] + 1 == frame[5] - frame[4] + 1 == 212


@pytest.mark.parametrize("skip", [False, True])
def test_the_expected_gradient_is_the_root_mean_square_of_random_nets(skip):
    def block(channels):
        layers = nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        return Residual(*layers) if skip and channels == 4 else nn.Sequential(*layers)

    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    network = nn.Sequential(block(2), block(4), nn.MaxPool2d(1), block(4))
    got = expected_gradient(copy.deepcopy(network), (2, 9, 9), 4, 4).numpy()
    blocks = network[0], network[1], network[3]
    for part in blocks:
        part[1], part[2] = nn.Identity(), nn.Identity()
    squares = np.zeros((9, 9))
    torch.manual_seed(0)
    for _ in range(1000):
        for part in blocks:
            nn.init.normal_(part[0].weight, std=part[0].weight[0].numel() ** -0.5)
        x = torch.zeros(1, 2, 9, 9, requires_grad=True)
        network(x)[0, :, 4, 4].sum().backward()
        squares += x.grad[0].square().sum(0).numpy()
    assert got / got.max() == pytest.approx(np.sqrt(squares / squares.max()), abs=0.1)
    assert (got > 0).sum() == 49  # the field, and no pixel more


def test_the_ablation_has_every_architecture_with_a_field():
    ablation = load(Path(__file__).parents[2] / "ablations/convolution/test_receptive_field.py")
    with_field = {row["name"] for row in rows() if row["receptive_field"] is not None}
    assert with_field - set(ablation.arms) == {"resnet1202", "plain1202"}


def test_the_expected_gradient_of_a_transposed_convolution_keeps_the_variance():
    """As of any chain: the squares of the gradient add up to 1, whatever the number of maps."""
    layers = nn.Conv2d(3, 4, 2, stride=2), nn.ConvTranspose2d(4, 1, 2, stride=2)
    gradient = expected_gradient(nn.Sequential(*layers).double(), (3, 8, 8), 3, 3)
    assert (gradient**2).sum().item() == pytest.approx(1)
    assert gradient[2:4, 2:4] == pytest.approx(torch.full((2, 2), 0.5).double())
