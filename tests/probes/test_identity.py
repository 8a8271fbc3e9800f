import copy

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.probes.identity import identity
from dlgbench.probes.subject import Subject

SHAPE = (1, 8, 8)


def change(network):
    torch.manual_seed(1)
    x = torch.randn(4, *SHAPE)
    return identity(Subject(network, SHAPE, (x, x))).metrics["identity/change"]


def test_a_block_whose_last_layer_is_zero_is_the_identity():
    assert change(create_model("resnet20", input_shape=SHAPE, zero_gamma=True)) == 0
    assert change(create_model("resnet20", input_shape=SHAPE)) > 0.1
    assert change(create_model("residual_stack", input_shape=SHAPE)) == 0
    assert change(create_model("residual_stack", input_shape=SHAPE, skip=False)) > 0.1


def test_the_change_by_hand():
    """max(0, z + b) of a branch that is the bias b alone."""
    network = create_model("residual_stack", input_shape=SHAPE, channels=2, blocks=2)
    with torch.no_grad():
        network[2].branch[2].bias.fill_(0.5)
        network[3].branch[2].bias.fill_(0.25)
        network[0].weight.zero_()
        network[0].bias.fill_(2.0)
    assert change(copy.deepcopy(network)) == pytest.approx(0.5 / 2)  # the second is .25 of 2.5


def test_a_network_without_blocks_is_refused():
    wanted = "probe identity: expected a network with blocks .* got Sequential without"
    with pytest.raises(DlgbenchError, match=wanted):
        change(nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten()))
