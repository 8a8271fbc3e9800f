import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from dlgbench import Cell, DlgbenchError, Recipe
from dlgbench.probes.training_step import bare, lightning
from dlgbench.train import train

RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (6,), "dropout": 0.5},
    data="digits",
    data_args={"train": 60, "val": 20},
    optimizer="adam",
    lr=0.01,
    batch_size=16,
    steps=9,
    evaluations=3,
    probes=("training_step",),
)
DIFFERENCE = "training_step/{}_difference"


def measured(**changes):
    recipe = RECIPE.override({"model_args.dropout": 0.0} | changes)
    return train(Cell("a", "a", 0, "cpu", recipe)).summary


@pytest.mark.parametrize("loop", [bare, lightning])
def test_two_steps_by_hand(loop):
    """Of (w x - y)^2 with x = 1, y = 0, lr = .1: the gradient is 2 w."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 2.0)
    rule = torch.optim.SGD(network.parameters(), lr=0.1)
    minibatches = [(torch.ones(1, 1), torch.zeros(1, 1))] * 2
    if loop is bare:
        found = bare(network, F.mse_loss, rule, minibatches)
    else:
        loader = DataLoader(minibatches, batch_size=None)
        options = {"max_epochs": 1, "logger": False, "enable_checkpointing": False}
        found, seconds = lightning(network, F.mse_loss, rule, loader, **options)
        assert seconds > 0
    assert torch.stack(found).tolist() == pytest.approx([4.0, 2.56])
    assert network.weight.item() == pytest.approx(1.28)


def test_all_ways_agree_to_the_bit_and_another_order_does_not():
    summary = measured()
    assert summary[DIFFERENCE.format("bare")] == 0.0
    assert summary[DIFFERENCE.format("lightning")] == 0.0
    assert summary[DIFFERENCE.format("reversed")] > 1e-4
    ways = ("bare", "reversed", "engine", "lightning")
    assert all(summary[f"training_step/{way}"] > 0 for way in ways)


def test_a_difference_is_seen(monkeypatch):
    step = "dlgbench.tasks.classification.Classification.training_step"

    def wrong(task, batch, _number):
        x, y = batch
        return 1.001 * task.objective(task.network(x), y)

    monkeypatch.setattr(step, wrong, raising=False)
    assert measured()[DIFFERENCE.format("bare")] > 1e-4


def test_one_round_is_enough():
    assert measured(steps=2, evaluations=1)["training_step/engine"] > 0


@pytest.mark.parametrize(
    "change", [{"schedule": "cosine"}, {"max_norm": 3.0}, {"data_args.augment": "crop"}]
)
def test_what_the_copies_would_not_follow_is_refused(change):
    with pytest.raises(DlgbenchError, match="expected a recipe with a constant schedule, and"):
        measured(**change)
