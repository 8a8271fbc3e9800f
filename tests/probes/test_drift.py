import types

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.drift import Drift


def watch(network, x, shifts):
    drift = Drift()
    for step, (shift, scale) in enumerate(shifts, 1):
        network[0].bias.data.fill_(shift)
        network[0].weight.data.fill_(scale)
        drift.on_train_batch_end(
            None, types.SimpleNamespace(network=network, done=step), None, (x, None), 0
        )
    return drift


def test_drift_by_hand():
    x = torch.tensor([[-1.0], [1.0]])  # of the units' input: mean 0, SD sqrt 2
    drift = watch(
        nn.Sequential(nn.Linear(1, 3), nn.ReLU()), x, [(0.0, 1.0), (0.5, 1.0), (0.5, 2.0)]
    )
    assert [round(value, 5) for name, _, value in drift.history if name == "drift/mean"] == [
        round(0.5 / 2**0.5, 5),
        0,
    ]
    assert [value for name, _, value in drift.history if name == "drift/sd"] == pytest.approx(
        [0, 0.693147], abs=1e-5
    )
    assert drift.figures() == pytest.approx(
        {"drift/mean": 0.25 / 2**0.5, "drift/sd": 0.693147 / 2}, abs=1e-5
    )


def test_an_activation_in_place_hides_nothing():
    x, shifts = torch.tensor([[-1.0], [1.0]]), [(0.0, 1.0), (0.5, 1.0)]
    found = [
        watch(nn.Sequential(nn.Linear(1, 3), nn.ReLU(inplace=inplace)), x, shifts).figures()
        for inplace in (False, True)
    ]
    assert found[0] == found[1]


def test_without_a_hidden_layer_nothing_drifts():
    with pytest.raises(DlgbenchError, match="probe drift wants a network with a hidden layer"):
        watch(nn.Sequential(nn.Linear(1, 3)), torch.zeros(2, 1), [(0.0, 1.0)])
