import types

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.drift import Drift

X = torch.tensor([[-1.0], [1.0]])  # of each unit's input w x + b: mean b, SD sqrt 2 |w|


def observe(network, shifts):
    """A Drift that saw one evaluation for each (bias, weight)."""
    drift = Drift()
    for step, (bias, weight) in enumerate(shifts, 1):
        network[0].bias.data.fill_(bias)
        network[0].weight.data.fill_(weight)
        module = types.SimpleNamespace(network=network, done=step)
        drift.on_train_batch_end(None, module, None, (X, None), 0)
    return drift


def test_drift_by_hand():
    network = nn.Sequential(nn.Linear(1, 3), nn.ReLU())
    drift = observe(network, [(0.0, 1.0), (0.5, 1.0), (0.5, 2.0), (-1.5, 1.0)])
    mean = [value for name, _, value in drift.history if name == "drift/mean"]
    sd = [value for name, _, value in drift.history if name == "drift/sd"]
    # the last: by 2 of the SD before, 2 sqrt 2, which is halved
    assert mean == pytest.approx([0.5 / 2**0.5, 0, 1 / 2**0.5], abs=1e-5)
    assert sd == pytest.approx([0, 0.693147, 0.693147], abs=1e-5)
    expected = {"drift/mean": 0.5 / 2**0.5, "drift/sd": 2 / 3 * 0.693147}
    assert drift.summary() == pytest.approx(expected, abs=1e-5)


def test_an_activation_in_place_does_not_change_what_is_seen():
    first, second = (
        observe(nn.Sequential(nn.Linear(1, 3), nn.ReLU(inplace)), [(0.0, 1.0), (0.5, 1.0)])
        for inplace in (False, True)
    )
    assert first.summary() == second.summary()


def test_a_network_without_activations_is_refused():
    match = "probe drift: expected a network with an activation layer, got Sequential without"
    with pytest.raises(DlgbenchError, match=match):
        Drift().check(nn.Sequential(nn.Linear(1, 3)))
