import numpy as np
import pytest
import torch
from torch import nn

from dlgbench.probes.interchange import in_onnx_runtime, onnx, settled
from dlgbench.probes.subject import Subject


@pytest.mark.parametrize("dynamo", [True, False])
def test_a_layer_in_onnx_runtime_is_that_of_numpy(dynamo):
    torch.manual_seed(0)
    layer = nn.Linear(50, 40).eval()
    x = torch.rand(4, 50)
    output, size = in_onnx_runtime(layer, x, dynamo=dynamo)
    w, b = (p.detach().numpy() for p in (layer.weight, layer.bias))
    np.testing.assert_allclose(output.numpy(), x.numpy() @ w.T + b, rtol=1e-5, atol=1e-6)
    assert 4 * 2040 < size < 4 * 2040 + 4000  # the parameters, and little more


def test_a_network_agrees_and_one_in_training_mode_does_not():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 20), nn.Dropout(), nn.Linear(20, 3))
    measured = onnx(Subject(network, (1, 3, 3))).metrics
    assert measured["onnx/difference"] < 1e-5
    assert 0 < measured["onnx/rounding"] < 1e-5
    assert measured["onnx/train_mode"] > 0.01


def test_batch_normalization_takes_the_statistics_of_the_batch():
    norm = settled(nn.BatchNorm1d(1).double(), torch.tensor([[1.0], [3.0]]).double())
    assert not norm.training
    assert (norm.running_mean.item(), norm.running_var.item()) == (2.0, 2.0)
