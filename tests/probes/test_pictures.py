import math

import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.probes.pictures import filters, predictions
from dlgbench.probes.subject import Subject


def convolution(weight):
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    layer.weight.data = weight
    return Subject(nn.Sequential(layer, nn.ReLU()), (weight.shape[1], 28, 28))


def roughness(weight):
    return filters(convolution(weight)).metrics["filters/roughness"]


def test_filters_by_hand():
    weight = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]], [[[3.0, 2.0], [1.0, 0.0]]]])
    measured = filters(convolution(weight))
    np.testing.assert_array_equal(measured.arrays["filters/weights"], weight)
    squares = [1, 1, 2**2, 2**2] * 2  # of the steps along rows, then columns, of each
    assert measured.metrics == pytest.approx({"filters/roughness": sum(squares) / 8 / 1.25})


def test_white_noise_is_rough_waves_are_smooth_and_a_checkerboard_is_roughest():
    i, j = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    noise = torch.randn(200, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert roughness(noise) == pytest.approx(2, rel=0.02)
    assert roughness(torch.cos(math.pi * i / 12)[None, None]) < 0.1
    assert roughness(((-1.0) ** (i + j))[None, None]) == pytest.approx(4)


def test_filters_of_a_linear_layer_are_images():
    network = create_model("mlp", input_shape=(3, 4, 4), hidden=(5,))
    weights = filters(Subject(network, (3, 4, 4))).arrays["filters/weights"]
    assert weights.shape == (5, 3, 4, 4)
    np.testing.assert_array_equal(weights.reshape(5, 48), network[1].weight.detach())


@pytest.mark.parametrize(
    ("shape", "count"), [((65, 3, 11, 11), 64), ((100, 1, 28, 28), 25_000 // 784)]
)
def test_no_more_filters_are_recorded_than_a_report_can_hold(shape, count):
    measured = filters(convolution(torch.randn(shape)))
    assert measured.arrays["filters/weights"].shape == (count, *shape[1:])


def test_filters_without_neighbours_or_variance_have_no_roughness():
    assert math.isnan(roughness(torch.randn(4, 1, 1, 1)))
    assert math.isnan(roughness(torch.ones(4, 1, 3, 3)))


@pytest.mark.parametrize(
    ("network", "shape", "got"),
    [
        (nn.Flatten(), (1, 4, 4), "Flatten"),
        (nn.Linear(2, 3), (2,), "Linear"),
        (nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), (1, 2, 4), "Linear"),
        (nn.Conv2d(1, 1, (3, 5)), (1, 8, 8), "Conv2d"),
    ],
)
def test_a_first_layer_without_images_is_refused(network, shape, got):
    match = f"expected a first layer whose weights are square images, got {got}"
    with pytest.raises(DlgbenchError, match=match):
        filters(Subject(network, shape))


class TwoClasses(nn.Module):
    """Class 1 where a pixel's first channel is bright; in training mode never."""

    def forward(self, x):
        score = 0 * x[:, 0] if self.training else x[:, 0]
        return torch.stack([torch.full_like(score, 0.5), score], 1)


def test_predictions_by_hand():
    x = torch.tensor([[[1.0, 0.0, 0.6], [0.0, 1.0, 0.2]], [[0.0, 1.0, 0.0]] * 2, [[9.0] * 3] * 2])
    x = x[:, :, None]  # (3, 2, 1, 3)
    y = torch.tensor([[[1, -1, 0]], [[0, 1, 1]], [[5, 5, 5]]])
    measured = predictions(Subject(TwoClasses(), (2, 1, 3), (x, y)))
    assert not measured.metrics
    np.testing.assert_array_equal(measured.arrays["predictions/input"], x[:2])
    np.testing.assert_array_equal(measured.arrays["predictions/label"], y[:2])
    classes = measured.arrays["predictions/class"]
    np.testing.assert_array_equal(classes, [[[1, 0, 1]], [[0, 1, 0]]])
    assert classes.dtype == np.int64


@pytest.mark.parametrize(
    ("network", "labels"),
    [
        (create_model("mlp"), (2, 28, 28)),
        (nn.Conv2d(1, 3, 3), (2, 28, 28)),
        (nn.Conv2d(1, 3, 1), (2,)),
    ],
)
def test_predictions_without_a_class_for_each_pixel_are_refused(network, labels):
    batch = torch.rand(2, 1, 28, 28), torch.zeros(labels, dtype=torch.long)
    with pytest.raises(DlgbenchError, match="probe predictions: expected class scores"):
        predictions(Subject(network, (1, 28, 28), batch))
