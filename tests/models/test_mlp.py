import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import build, weighted
from dlgbench.models.mlp import Residual


def randomized(network):
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    return network.double()


def normalized(a, gamma, beta):
    return gamma * (a - a.mean(0)) / torch.sqrt(((a - a.mean(0)) ** 2).mean(0) + 1e-5) + beta


def test_an_mlp_with_everything_is_its_equation():
    args = {"input_shape": (3, 2), "hidden": (4, 4, 5, 5), "num_classes": 2}
    args |= {"activation": "sigmoid", "norm": "batch", "skip": True}
    network = randomized(create_model("mlp", **args))
    x, parameters = torch.rand(7, 3, 2, dtype=torch.float64), list(network.parameters())
    z = x.reshape(7, 6)
    for k in range(4):
        w, b, gamma, beta = parameters[4 * k : 4 * k + 4]
        out = 1 / (1 + torch.exp(-normalized(z @ w.T + b, gamma, beta)))
        z = z + out if k in {1, 3} else out  # 4 -> 4 and 5 -> 5
    w, b = parameters[16:]
    assert torch.allclose(network(x), z @ w.T + b, rtol=0, atol=1e-10)


def test_without_skip_it_is_a_plain_chain_of_layers():
    args = {"input_shape": (6,), "hidden": (4, 4), "num_classes": 3, "norm": "batch"}
    args |= {"dropout": 0.25, "input_dropout": 0.5, "activation": "tanh"}
    torch.manual_seed(0)
    network = create_model("mlp", **args)
    torch.manual_seed(0)
    chain = [nn.Flatten(), nn.Dropout(0.5)]
    for inputs in (6, 4):
        chain += [nn.Linear(inputs, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.25)]
    chain = nn.Sequential(*chain, nn.Linear(4, 3))
    assert type(network) is nn.Sequential
    assert str(network) == str(chain)
    for a, b in zip(network.parameters(), chain.parameters(), strict=True):
        assert torch.equal(a, b)


def test_skips_join_equal_neighbours_alone_and_cost_nothing():
    args = {"input_shape": (5,), "hidden": (5, 5, 7, 7, 7), "num_classes": 3, "norm": "batch"}
    skip, plain = (create_model("mlp", **args, skip=skip) for skip in (True, False))
    blocks = [layer for layer in skip if isinstance(layer, Residual)]
    assert [block.branch[0].in_features for block in blocks] == [5, 7, 7]
    hidden = 2 * (5 * 5 + 5 + 10) + (5 * 7 + 7 + 14) + 2 * (7 * 7 + 7 + 14)
    for network in (skip, plain):
        assert sum(p.numel() for p in network.parameters()) == hidden + 7 * 3 + 3


def test_with_and_without_skip_the_initial_weights_are_the_same():
    def layers(skip):
        return weighted(build(lambda: create_model("mlp", hidden=(8, 8, 8), skip=skip), "he", 3))

    for plain, skip in zip(layers(skip=False), layers(skip=True), strict=True):
        assert torch.equal(plain.weight, skip.weight)


def test_dropout_leaves_the_identity_alone():
    args = {"input_shape": (3,), "hidden": (50, 50), "activation": "identity"}
    block = randomized(create_model("mlp", **args, dropout=0.25, skip=True))[-2]
    x = torch.rand(9, 50, dtype=torch.float64)
    added, whole = block(x) - x, block.branch[:-1](x)
    dropped = added.abs() < 1e-9
    assert 0.15 < dropped.double().mean() < 0.35
    assert torch.allclose(added[~dropped], whole[~dropped] / 0.75, atol=1e-9)


def test_width_scales_the_hidden_layers_only():
    args = {"input_shape": (9,), "hidden": (10, 10, 1), "num_classes": 4}
    layers = weighted(create_model("mlp", **args, width=0.5, skip=True))
    units = [(layer.in_features, layer.out_features) for layer in layers]
    assert units == [(9, 5), (5, 5), (5, 1), (1, 4)]


def test_skips_let_110_layers_train():
    digits = load_digits()
    x, y = torch.tensor(digits.data[:200] / 16).float(), torch.tensor(digits.target[:200])
    args = {"input_shape": (64,), "hidden": (16,) * 110, "norm": "batch"}
    last = {}
    for skip in (False, True):
        network = build(lambda skip=skip: create_model("mlp", **args, skip=skip), "he", 1)
        adam = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(25):
            loss = F.cross_entropy(network(x), y)
            adam.zero_grad()
            loss.backward()
            adam.step()
        last[skip] = loss.item()
    assert last[True] < 1.0
    assert last[False] > 2.0  # chance: ln 10 = 2.303


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)])
def test_a_skip_that_joins_nothing_is_refused(hidden):
    wanted = r"mlp: skip: expected two neighbouring hidden layers .*, got hidden \(.*\)"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("mlp", hidden=hidden, skip=True)


def test_an_unknown_norm_is_refused():
    with pytest.raises(DlgbenchError, match="no norm is called 'layer'"):
        create_model("mlp", norm="layer")


def test_noise_norm_and_patch_by_name():
    args = {"norm": "noisy_batch", "dropout": 0.5, "noise": "gaussian", "patch": "standardize"}
    network = create_model("mlp", input_shape=(1, 4, 4), hidden=(6, 5), **args)
    kinds = [type(layer).__name__ for layer in network]
    block = ["Linear", "NoisyBatchNorm1d", "ReLU", "GaussianNoise"]
    assert kinds == ["StandardizePatch", "Flatten", *block, *block, "Linear"]
    x = torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(network.eval()(2 * x + 1), network(x), rtol=1e-3, atol=1e-4)
