import math

import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.images import images
from dlgbench.probes.subject import Subject


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def measured(network, x, y):
    return images(Subject(network, tuple(x.shape[1:]), (x, y)))


def test_ratios_against_scikit_learn():
    x, noise = random(20, 1, 4, 4), random(20, 1, 4, 4, seed=1)
    y = 2 * x + noise
    flat_x, flat_y = x.flatten()[:, None].numpy(), y.flatten().numpy()
    fitted = LinearRegression().fit(flat_x, flat_y).predict(flat_x)
    mse = mean_squared_error(flat_y, flat_x[:, 0])  # of the network that answers with x
    mean = y.mean(0, keepdim=True).expand_as(y).flatten().numpy()
    for source in (x, 3 * x - 1):  # standardized inputs have the same baseline
        network = nn.Identity() if source is x else _Back()
        metrics = measured(network, source, y).metrics
        over_input = mse / mean_squared_error(flat_y, fitted)
        assert metrics["images/over_input"] == pytest.approx(over_input, rel=1e-5)
        over_mean = mse / mean_squared_error(flat_y, mean)
        assert metrics["images/over_mean"] == pytest.approx(over_mean, rel=1e-5)


class _Back(nn.Module):
    def forward(self, x):
        return (x + 1) / 3


def test_a_reconstruction_has_no_input_to_beat_and_pictures_span_the_split():
    x = random(11, 1, 4, 4)
    measurement = measured(nn.Identity(), x, x)
    assert measurement.metrics["images/over_mean"] == 0
    assert math.isnan(measurement.metrics["images/over_input"])
    shown = torch.from_numpy(measurement.arrays["images/output"])
    assert torch.equal(shown, x[::2])  # six of eleven


def test_an_output_of_another_shape_is_refused():
    with pytest.raises(DlgbenchError, match=r"probe images: expected an output of images"):
        measured(nn.Flatten(), random(6, 1, 4, 4), random(6, 1, 4, 4))
