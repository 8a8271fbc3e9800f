import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.probes.maps import feature_maps
from dlgbench.probes.subject import Subject


def test_a_feature_map_is_scipys_correlation_with_its_filter_rectified():
    from scipy import ndimage

    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.Flatten())
    x = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    arrays = feature_maps(Subject(network, (2, 8, 8), (x, torch.zeros(4)))).arrays
    np.testing.assert_array_equal(arrays["feature_maps/input"], x[0])
    weight, bias = (p.detach().numpy() for p in network[0].parameters())
    np.testing.assert_array_equal(arrays["feature_maps/filters"], weight)
    for answer, kernels, b in zip(arrays["feature_maps/maps"], weight, bias, strict=True):
        whole = sum(ndimage.correlate(c.numpy(), k) for c, k in zip(x[0], kernels, strict=True))
        np.testing.assert_allclose(answer, np.maximum(whole[1:-1, 1:-1] + b, 0), atol=1e-5)


def test_at_most_16_are_recorded():
    network = create_model("alexnet", input_shape=(1, 8, 8), width=0.5)
    batch = torch.rand(2, 1, 8, 8), torch.zeros(2)
    arrays = feature_maps(Subject(network, (1, 8, 8), batch)).arrays
    assert arrays["feature_maps/filters"].shape == (16, 1, 5, 5)
    assert arrays["feature_maps/maps"].shape == (16, 8, 8)


def test_a_network_without_a_first_convolution_is_refused():
    batch = torch.rand(2, 1, 8, 8), torch.zeros(2)
    with pytest.raises(DlgbenchError, match="expected a first convolution and an activation, got"):
        feature_maps(Subject(create_model("mlp", input_shape=(1, 8, 8)), (1, 8, 8), batch))
