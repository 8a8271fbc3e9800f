import math

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.probes.pictures import filters, predictions
from dlgbench.probes.subject import Subject


def convolution(weight):
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    with torch.no_grad():
        layer.weight.copy_(weight)
    return Subject(nn.Sequential(layer, nn.ReLU()), (weight.shape[1], 28, 28), pictures=True)


def test_filters_by_hand():
    weight = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]], [[[3.0, 2.0], [1.0, 0.0]]]])
    figures, curves = filters(convolution(weight))
    assert curves == {"filters/weights": [0, 1, 2, 3, 3, 2, 1, 0]}
    steps = [1, 1, 2**2, 2**2] * 2  # columns, then rows, of each
    assert figures == pytest.approx(
        {
            "filters/count": 2,
            "filters/channels": 1,
            "filters/side": 2,
            "filters/roughness": sum(steps) / 8 / 1.25,
        }
    )


def test_white_noise_is_rough_waves_are_smooth_and_a_checkerboard_is_roughest():
    i, j = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    planes = {
        "noise": torch.randn(200, 3, 12, 12, generator=torch.Generator().manual_seed(0)),
        "wave": torch.cos(math.pi * i / 12)[None, None],
        "board": ((-1.0) ** (i + j))[None, None],
    }
    rough = {
        name: filters(convolution(weight))[0]["filters/roughness"]
        for name, weight in planes.items()
    }
    assert rough["noise"] == pytest.approx(2, rel=0.02)
    assert rough["wave"] < 0.1
    assert rough["board"] == pytest.approx(4)


def test_filters_of_a_linear_layer_are_images():
    network = create_model("mlp", input_shape=(3, 4, 4), hidden=(5,))
    figures, curves = filters(Subject(network, (3, 4, 4), pictures=True))
    assert (figures["filters/count"], figures["filters/channels"], figures["filters/side"]) == (
        5,
        3,
        4,
    )
    shown = torch.tensor(curves["filters/weights"]).reshape(5, 3, 4, 4)
    torch.testing.assert_close(shown.flatten(1), network[1].weight.detach(), rtol=0, atol=0)


def test_no_more_is_shown_than_a_report_can_hold():
    assert filters(convolution(torch.randn(65, 3, 11, 11)))[0]["filters/count"] == 64
    assert (
        filters(Subject(create_model("mlp", hidden=(100,)), (1, 28, 28)))[0]["filters/count"]
        == 25_000 // 784
    )
    assert (
        len(filters(convolution(torch.randn(65, 3, 11, 11)))[1]["filters/weights"])
        == 64 * 3 * 11 * 11
    )


def test_pictures_are_for_those_who_want_them():
    assert not filters(Subject(create_model("mlp"), (1, 28, 28)))[1]


def test_filters_without_neighbours_or_variance_have_no_roughness():
    assert math.isnan(filters(convolution(torch.randn(4, 1, 1, 1)))[0]["filters/roughness"])
    assert math.isnan(filters(convolution(torch.ones(4, 1, 3, 3)))[0]["filters/roughness"])


@pytest.mark.parametrize(
    ("network", "shape", "came"),
    [
        (nn.Flatten(), (1, 4, 4), "Flatten came"),
        (nn.Linear(2, 3), (2,), "Linear.* came"),
        (nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), (1, 2, 4), "Linear.* came"),
        (nn.Conv2d(1, 1, (3, 5)), (1, 8, 8), "Conv2d.* came"),
    ],
)
def test_a_first_layer_without_images_is_refused(network, shape, came):
    with pytest.raises(
        DlgbenchError, match=f"wants a first layer with square images for weights; {came}"
    ):
        filters(Subject(network, shape))


class TwoClasses(nn.Module):
    """Class 1 where a pixel's first channel is bright, and in training never."""

    def forward(self, x):
        return torch.stack(
            [torch.full_like(x[:, 0], 0.5), 0 * x[:, 0] if self.training else x[:, 0]], 1
        )


def test_predictions_by_hand():
    x = torch.tensor(
        [
            [[[1.0, 0.0, 0.6]], [[0.0, 1.0, 0.2]]],
            [[[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]],
            [[[9.0] * 3]] * 2,
        ]
    )
    y = torch.tensor([[[1, -1, 0]], [[0, 1, 1]], [[5, 5, 5]]])
    figures, curves = predictions(Subject(TwoClasses(), (2, 1, 3), (x, y), pictures=True))
    assert figures == {"predictions/count": 2, "predictions/height": 1, "predictions/width": 3}
    assert curves["predictions/input"] == pytest.approx([0.5, 0.5, 0.4, 0, 1, 0])
    assert curves["predictions/label"] == [1, -1, 0, 0, 1, 1]
    assert curves["predictions/class"] == [1, 0, 1, 0, 1, 0]
    assert not predictions(Subject(TwoClasses(), (2, 1, 3), (x, y)))[1]


@pytest.mark.parametrize(
    ("network", "labels"),
    [
        (create_model("mlp"), (2, 28, 28)),
        (nn.Conv2d(1, 3, 3), (2, 28, 28)),
        (nn.Conv2d(1, 3, 1), (2,)),
    ],
)
def test_predictions_want_a_class_for_each_pixel(network, labels):
    with pytest.raises(DlgbenchError, match="probe predictions wants scores"):
        predictions(
            Subject(
                network,
                (1, 28, 28),
                (torch.rand(2, 1, 28, 28), torch.zeros(labels, dtype=torch.long)),
            )
        )
