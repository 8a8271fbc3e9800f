import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.probes.noise import SIZES, gradient_noise
from dlgbench.probes.subject import Subject


def subject():
    torch.manual_seed(0)
    args = {"input_shape": (1, 6, 6), "hidden": (12,), "norm": "batch", "dropout": 0.5}
    network = create_model("mlp", **args)
    return Subject(network, (1, 6, 6), (torch.randn(256, 1, 6, 6), torch.randint(10, (256,))))


def test_noise_falls_as_the_root_of_the_batch_size():
    measured = gradient_noise(subject())
    assert measured.metrics["gradient_noise/slope"] == pytest.approx(-0.5, abs=0.03)
    sizes = measured.curves["gradient_noise/by_size"]
    assert measured.metrics["gradient_noise/sd_8"] == sizes[0]
    assert gradient_noise(subject()).curves["gradient_noise/by_size"] == sizes


def test_noise_is_the_trace_of_the_covariance_of_single_rows():
    single = subject()
    network, (x, y) = single.network.double().eval(), single.batch
    rows = []
    for k in range(len(x)):
        loss = F.cross_entropy(network(x[k : k + 1].double()), y[k : k + 1])
        parts = torch.autograd.grad(loss, list(network.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
    trace = torch.stack(rows).var(0, correction=0).sum().item()
    expected = [math.sqrt(trace / size) for size in SIZES]
    measured = gradient_noise(single).curves["gradient_noise/by_size"]
    assert measured == pytest.approx(expected, rel=0.05)


def test_the_mean_loss_of_one_weight_by_hand():
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 1, bias=False))
    nn.init.zeros_(network[1].weight)
    # gradients -2 y: +-2, variance 4
    batch = torch.ones(4, 1), torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    measured = gradient_noise(Subject(network, (1,), batch, F.mse_loss))
    expected = [2 / math.sqrt(size) for size in SIZES]
    assert measured.curves["gradient_noise/by_size"] == pytest.approx(expected, rel=0.25)
    assert measured.metrics["gradient_noise/slope"] == pytest.approx(-0.5, abs=0.1)


def test_equal_rows_have_no_noise_and_no_slope():
    network = create_model("mlp", input_shape=(1, 2, 2), hidden=())
    nn.init.zeros_(network[1].weight)
    nn.init.zeros_(network[1].bias)
    batch = torch.ones(16, 1, 2, 2), torch.zeros(16).long()
    measured = gradient_noise(Subject(network, (1, 2, 2), batch))
    assert max(measured.curves["gradient_noise/by_size"]) < 1e-12
    assert math.isnan(measured.metrics["gradient_noise/slope"])  # not a slope of rounding errors
    match = "probe gradient_noise: expected a recipe with data, got one without"
    with pytest.raises(DlgbenchError, match=match):
        gradient_noise(Subject(network, (1, 2, 2)))
