import pytest
import torch
from torch import nn

from dlgbench.layers.modes import evaluating


def test_only_the_given_classes_train_and_every_mode_comes_back():
    network = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)))
    network.train()
    network[1][0].eval()
    before = [layer.training for layer in network.modules()]
    with evaluating(network, keep=(nn.Dropout,)):
        assert [layer.training for layer in network.modules()] == [False, True, False, False, True]
        assert (network[0](torch.ones(1000)) == 0).any()
    assert [layer.training for layer in network.modules()] == before
    with pytest.raises(RuntimeError, match="running_mean"), evaluating(network):
        network(torch.ones(2, 5))  # batch normalization expects 3 features
    assert [layer.training for layer in network.modules()] == before
