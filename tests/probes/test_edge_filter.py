import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.data.photographs import TEST, photograph, sobel
from dlgbench.probes.edge_filter import FACE, SOBEL, edge_filter
from dlgbench.probes.subject import Subject


def measured(kernel, x, y, bias=0.0, padding=1):
    layer = nn.Conv2d(1, 1, 3, padding=padding)
    layer.weight.data = torch.tensor(kernel)[None, None]
    nn.init.constant_(layer.bias, bias)
    return edge_filter(Subject(nn.Sequential(layer), (1, 16, 16), (x, y)))


@pytest.fixture
def batch():
    x = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return x, torch.as_tensor(sobel(x.numpy()))


def test_sobels_own_kernel_has_no_error_and_its_edges_are_scipys(batch):
    result = measured(SOBEL, *batch)
    assert result.metrics["edge_filter/kernel_error"] == 0
    assert result.metrics["edge_filter/output_error"] < 1e-6
    assert result.metrics["edge_filter/picture_error"] == 0
    image = photograph("camera")[FACE] / 255
    edges = ndimage.sobel(image - image.mean(), axis=1, mode="constant")
    assert "camera" in TEST
    for name in ("edges", "response"):
        np.testing.assert_allclose(result.arrays[f"edge_filter/{name}"], edges, atol=1e-5)
    np.testing.assert_array_equal(result.arrays["edge_filter/kernel"], SOBEL)


def test_errors_of_kernel_and_output_by_hand(batch):
    twice = [[2 * w for w in row] for row in SOBEL]
    metrics = measured(twice, *batch).metrics
    assert metrics["edge_filter/kernel_error"] == 2
    assert metrics["edge_filter/output_error"] == pytest.approx(1)
    assert metrics["edge_filter/picture_error"] == pytest.approx(1)


def test_a_bias_is_an_error_of_the_output_alone(batch):
    metrics = measured(SOBEL, *batch, bias=0.5).metrics
    assert metrics["edge_filter/kernel_error"] == 0
    size = float(batch[1].double().square().mean()) ** 0.5
    assert metrics["edge_filter/output_error"] == pytest.approx(0.5 / size)


def test_without_padding_the_inner_pixels_count_and_a_target_of_zero_has_no_relative_error(batch):
    result = measured(SOBEL, *batch, padding=0)
    assert result.metrics["edge_filter/output_error"] < 1e-6
    assert result.arrays["edge_filter/photograph"].shape == (126, 126)
    metrics = measured(SOBEL, batch[0], torch.zeros(5, 1, 16, 16)).metrics
    assert math.isnan(metrics["edge_filter/output_error"])


def test_another_network_is_refused(batch):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3))
    with pytest.raises(DlgbenchError, match=r"got weights of shapes \[\(2, 1, 3, 3\), \(1, 2, 3"):
        edge_filter(Subject(network, (1, 16, 16), batch))
