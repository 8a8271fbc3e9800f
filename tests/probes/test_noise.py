import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.probes.noise import SIZES, gradient_noise
from dlgbench.probes.subject import Subject


def subject(network=None, rows=256):
    torch.manual_seed(0)
    network = network or create_model(
        "mlp", input_shape=(1, 6, 6), hidden=(12,), norm="batch", dropout=0.5
    )
    return Subject(network, (1, 6, 6), (torch.randn(rows, 1, 6, 6), torch.randint(10, (rows,))))


def test_noise_falls_as_the_root_of_the_batch_size():
    figures, curves = gradient_noise(subject())
    assert figures["gradient_noise/slope"] == pytest.approx(-0.5, abs=0.03)
    assert figures["gradient_noise/sd_8"] == curves["gradient_noise/by_size"][0]
    assert gradient_noise(subject())[1] == curves


def test_noise_is_the_trace_of_the_covariance_of_single_rows():
    drawn = subject()
    network, (x, y) = drawn.network.double().eval(), drawn.batch
    singles = []
    for row in range(len(x)):
        parts = torch.autograd.grad(
            F.cross_entropy(network(x[row : row + 1].double()), y[row : row + 1]),
            list(network.parameters()),
        )
        singles.append(torch.cat([part.flatten() for part in parts]))
    trace = torch.stack(singles).var(0, correction=0).sum().item()
    found = gradient_noise(drawn)[1]["gradient_noise/by_size"]
    assert found == pytest.approx([math.sqrt(trace / size) for size in SIZES], rel=0.05)


def test_the_mean_loss_of_one_weight_by_hand():
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 1, bias=False))
    nn.init.zeros_(network[1].weight)
    batch = (
        torch.ones(4, 1),
        torch.tensor([[1.0], [1.0], [-1.0], [-1.0]]),
    )  # gradients -2 y: +-2, variance 4
    figures, curves = gradient_noise(Subject(network, (1,), batch, F.mse_loss))
    assert curves["gradient_noise/by_size"] == pytest.approx(
        [2 / math.sqrt(size) for size in SIZES], rel=0.25
    )
    assert figures["gradient_noise/slope"] == pytest.approx(-0.5, abs=0.1)


def test_equal_rows_have_no_noise_and_no_slope():
    network = create_model("mlp", input_shape=(1, 2, 2), hidden=())
    nn.init.zeros_(network[1].weight)
    nn.init.zeros_(network[1].bias)
    figures, curves = gradient_noise(
        Subject(network, (1, 2, 2), (torch.ones(16, 1, 2, 2), torch.zeros(16).long()))
    )
    assert max(curves["gradient_noise/by_size"]) < 1e-12
    assert math.isnan(figures["gradient_noise/slope"])  # of rounding errors no slope is made
    with pytest.raises(DlgbenchError, match="probe gradient_noise wants data"):
        gradient_noise(Subject(network, (1, 2, 2)))
