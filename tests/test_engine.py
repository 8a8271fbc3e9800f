"""A task of one's own is an ordinary LightningModule; stacks are the engine's affair."""

import copy
import math
import types
import warnings

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import (
    Cell,
    DlgbenchError,
    Observer,
    Recipe,
    create,
    register_probe,
    register_task,
    registry,
)
from dlgbench.data.module import MinibatchStack
from dlgbench.engine import Engine
from dlgbench.tasks.classification import Classification
from dlgbench.train import prepare, train

RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (16,), "dropout": 0.2},
    data="digits",
    data_args={"train": 200, "val": 100},
    lr=0.1,
    batch_size=32,
    steps=30,
    evaluations=3,
)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _registries(monkeypatch):
    """Leaves every registry as it was."""
    for parts in (registry.TASKS, registry.PROBES):
        monkeypatch.setattr(parts, "_parts", dict(parts))


def cell(recipe, purpose="evaluate"):
    return Cell("a", "arm", 0, "cpu", recipe, purpose)


def mine(methods, recipe=RECIPE):
    """What a recipe of a subclass of Classification with these methods gives."""
    register_task("mine", metrics={"error": "share"})(type("Mine", (Classification,), methods))
    return train(cell(recipe.override(task="mine")))


def alike(run, other):
    """Whether two runs agree to the bit, but for the time they took."""
    summaries = [{m: v for m, v in r.summary.items() if m != "seconds"} for r in (run, other)]
    return summaries[0] == summaries[1] and run.history == other.history


SEEN = []


def own_step(self, batch, batch_idx):
    x, y = batch
    SEEN.append((tuple(x.shape), tuple(y.shape), batch_idx, self.network.training))
    return F.cross_entropy(self.network(x), y)


def dict_step(self, batch, batch_idx):
    return {"loss": own_step(self, batch, batch_idx), "more": 1}


def halved_step(self, batch, batch_idx):
    return own_step(self, batch, batch_idx) / 2


def test_an_own_training_step_sees_minibatches_and_gives_the_stock_run_to_the_bit():
    stock = train(cell(RECIPE))
    SEEN.clear()
    assert alike(mine({"training_step": own_step}), stock)
    steps = [((32, 1, 8, 8), (32,), step, True) for step in range(30)]
    assert steps == SEEN
    assert alike(mine({"training_step": dict_step}), stock)
    assert not alike(mine({"training_step": halved_step}), stock)


def annealed_step(self, batch, batch_idx):
    assert self.global_step == batch_idx
    return own_step(self, batch, batch_idx) / (1 + self.global_step)


def test_a_training_step_may_count_the_steps():
    assert mine({"training_step": annealed_step}).status == "finished"


def test_a_hook_that_the_engine_does_not_call_is_refused():
    message = "which the suite's engine calls, got on_train_start, validation_step"
    hooks = {"on_train_start": own_sgd, "validation_step": own_step}
    with pytest.raises(DlgbenchError, match=message):
        mine(hooks)


def own_sgd(self):
    return torch.optim.SGD(self.network.parameters(), lr=0.1, fused=True)


def own_adam(self):
    return torch.optim.Adam(self.network.parameters(), lr=0.01, fused=True)


def test_an_own_optimizer_is_heeded_with_the_recipes_schedule():
    scheduled = RECIPE.override(schedule="linear", max_norm=1.0)
    assert alike(mine({"configure_optimizers": own_sgd}, scheduled), train(cell(scheduled)))
    adam = RECIPE.override(optimizer="adam", lr=0.01, schedule="cosine")
    sgd = adam.override(optimizer="sgd")
    assert alike(mine({"configure_optimizers": own_adam}, sgd), train(cell(adam)))
    with pytest.raises(DlgbenchError, match="expected configure_optimizers to return an optimizer"):
        mine({"configure_optimizers": lambda self: {"optimizer": own_sgd(self)}})


LOGGED = {"train/step", "train/half", "train/once"}


def logging_step(self, batch, batch_idx):
    self.log("train/step", batch_idx, prog_bar=True)
    self.log_dict({"train/half": torch.tensor(batch_idx / 2)})
    if batch_idx == 15:
        self.log("train/once", 1.0)
    return own_step(self, batch, batch_idx)


def test_what_an_own_training_step_logs_goes_into_the_history():
    run = mine({"training_step": logging_step})
    logged = [point for point in run.history if point[0] in LOGGED]
    assert logged == [
        *(("train/step", 10, 9.0), ("train/half", 10, 4.5)),
        *(("train/step", 20, 19.0), ("train/half", 20, 9.5), ("train/once", 20, 1.0)),
        *(("train/step", 30, 29.0), ("train/half", 30, 14.5)),
    ]
    rest = [point for point in run.history if point not in logged]
    assert rest == list(train(cell(RECIPE)).history)


class Batches(Observer):
    def on_train_batch_end(self, _trainer, module, _outputs, batch, *_):
        assert isinstance(batch, MinibatchStack)
        assert isinstance(module, Engine)
        self.history.append(("batches/steps", module.done, float(len(batch.rows))))

    def summary(self):
        return {"batches/count": float(len(self.history))}


def test_an_observer_sees_the_stacks_between_evaluations():
    register_probe("batches", when="training", metrics={"batches/count": "stacks"})(Batches)
    run = train(cell(RECIPE.override(probes=("batches",))))
    assert run.summary["batches/count"] == 3
    steps = [point for point in run.history if point[0] == "batches/steps"]
    assert steps == [("batches/steps", step, 10.0) for step in (10, 20, 30)]


def test_what_diverged_once_stays_diverged():
    task, _ = prepare(cell(RECIPE), CPU)
    engine, trainer = Engine(task), types.SimpleNamespace(should_stop=False)
    engine.__dict__["_trainer"] = trainer
    engine._fabric = None
    x, y = torch.full((4, 1, 8, 8), math.nan), torch.zeros(4, dtype=torch.long)
    engine.validation_step((x, y))
    assert engine.diverged
    engine._record({"val/loss": 1.0})
    assert trainer.should_stop
    assert not engine.history


# under a Trainer of one's own ---------------------------------------------------------------------


@pytest.fixture
def fit(tmp_path):
    """`fit(task, loader, **options)`: an ordinary Trainer on an ordinary loader of minibatches."""

    def fit(task, loader, **options):
        quiet = dict.fromkeys(("progress_bar", "model_summary", "checkpointing"), False)
        quiet = {f"enable_{name}": value for name, value in quiet.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = pl.Trainer(
                accelerator="cpu", logger=False, default_root_dir=tmp_path, **quiet, **options
            )
            trainer.fit(task, loader)
        return trainer

    return fit


def test_the_same_task_under_an_ordinary_trainer_takes_the_same_steps(fit):
    recipe = RECIPE.override({"model_args.dropout": 0.0, "schedule": "cosine", "max_norm": 0.8})
    register_task("mine", metrics={"error": "share"})(
        type("Mine", (Classification,), {"training_step": own_step})
    )
    recipe = recipe.override(task="mine")
    task, splits = prepare(cell(recipe), CPU)
    alone = copy.deepcopy(task)
    minibatches = [pair for stack in splits.train_dataloader() for pair in stack.minibatches()]
    SEEN.clear()
    fit(alone, torch.utils.data.DataLoader(minibatches, batch_size=None), max_epochs=1)
    assert [batch_idx for _, _, batch_idx, _ in SEEN] == list(range(30))

    run = train(cell(recipe))
    z = alone.evaluate("val", *splits.val)
    assert z == {metric: run.summary[metric] for metric in ("val/loss", "val/error")}  # to the bit
    norms = [layer.weight.norm(dim=1) for layer in alone.modules() if isinstance(layer, nn.Linear)]
    assert max(norm.max().item() for norm in norms) == pytest.approx(0.8, rel=1e-5)


def test_create_gives_an_own_task(fit):
    register_task("mine", metrics={"error": "share"})(
        type("Mine", (Classification,), {"training_step": dict_step})
    )
    task = create("mlp", task="mine", model_args={"input_shape": (2,), "hidden": ()}, lr=0.5)
    x = torch.randn(64, 2)
    y = (x[:, 0] > 0).long()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 8)
    trainer = fit(task, loader, max_epochs=20)
    assert task.evaluate("val", x, y)["val/error"] < 0.1
    assert set(trainer.callback_metrics) == {"train/loss"}
