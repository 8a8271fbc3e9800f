"""The registry itself, and what it hands out."""

import pytest
import torch
from torch import nn

import dlgbench
from dlgbench import DlgbenchError, create, create_model, register_model

POINTS = {"input_shape": (2,), "num_classes": 3}


@pytest.mark.parametrize(
    ("name", "args", "count"),
    [
        ("mlp", {"hidden": (128, 128)}, 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10),
        ("mlp", {"hidden": ()}, 784 * 10 + 10),  # the linear classifier
        ("mlp", POINTS | {"hidden": (5,), "norm": "batch"}, 2 * 5 + 5 + 2 * 5 + 5 * 3 + 3),
        ("conv_stack", {"dilations": (1, 2, 4), "channels": 8}, (9 * 8 + 8) + 2 * (9 * 64 + 8)),
    ],
)
def test_parameters_by_hand(name, args, count):
    assert sum(p.numel() for p in create_model(name, **args).parameters()) == count


def test_an_mlp_is_its_equation():
    args = {"input_shape": (3,), "hidden": (4,), "num_classes": 2, "activation": "sigmoid"}
    network = create_model("mlp", **args).double()
    x, (w1, b1, w2, b2) = torch.rand(5, 3, dtype=torch.float64), network.parameters()
    hidden = 1 / (1 + torch.exp(-(x @ w1.T + b1)))
    assert torch.allclose(network(x), hidden @ w2.T + b2, atol=1e-12)


def test_dropout_drops_its_share_and_rescales_in_training_alone():
    network = create_model("mlp", hidden=(1000,), dropout=0.3, input_dropout=0.2)
    x = torch.ones(1, 1, 28, 28)
    drops = [layer for layer in network if isinstance(layer, nn.Dropout)]
    assert [layer.p for layer in drops] == [0.2, 0.3]
    out = drops[1](torch.ones(100_000))
    assert (out == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert out.max().item() == pytest.approx(1 / 0.7)
    assert torch.equal(network.eval()(x), network(x))


def test_conv_stack_keeps_the_resolution_and_pooling_does_not():
    x = torch.zeros(2, 1, 28, 28)
    assert create_model("conv_stack", dilations=(1, 2, 4))(x).shape == (2, 8, 28, 28)
    assert create_model("conv_stack", dilations=(1, 1, 1), pool=True)(x).shape == (2, 8, 7, 7)


def test_create_is_a_lightning_module_that_a_stranger_can_train(tmp_path):
    import warnings

    import pytorch_lightning as pl
    from torch.utils.data import DataLoader, TensorDataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = torch.randn(256, 2)
        loader = DataLoader(TensorDataset(x, (x[:, 0] * x[:, 1] < 0).long()), 32, shuffle=True)
        model_args = {"input_shape": (2,), "hidden": (32,), "num_classes": 2}
        module = create("mlp", model_args=model_args, optimizer="adam", lr=0.02)
        loud = ("enable_progress_bar", "enable_model_summary", "enable_checkpointing", "logger")
        quiet = dict.fromkeys(loud, False)
        trainer = pl.Trainer(accelerator="cpu", max_epochs=30, default_root_dir=tmp_path, **quiet)
        trainer.fit(module, loader)
        assert trainer.callback_metrics["train/loss"] < 0.2
        assert trainer.test(module, loader, verbose=False)[0]["test/error"] < 0.1


def test_a_registry_refuses_duplicates_and_unknown_names():
    with pytest.raises(DlgbenchError, match="model 'mlp' is registered twice"):
        register_model("mlp", family="f", year=2000, paper="p")(nn.Identity)
    with pytest.raises(DlgbenchError, match="no model is called 'lenet'"):
        create_model("lenet")
    with pytest.raises(DlgbenchError, match="no task is called 'sorting'"):
        create("mlp", task="sorting")
    assert set(dlgbench.__all__) >= {"create", "create_model", "register_model"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dlgbench.nothing
