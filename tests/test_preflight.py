"""What can't be carried out is said in one message, before anything is trained."""

import dataclasses
import re

import pytest
import torch

from dlgbench import (
    Ablation,
    DlgbenchError,
    Observer,
    Recipe,
    Training,
    register_model,
    register_optimizer,
    register_probe,
    register_task,
    registry,
)
from dlgbench.data.module import DataModule
from dlgbench.preflight import check, refuse_missing, why_unsuited
from dlgbench.tasks.classification import Classification

RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (16, 16)},
    data="digits",
    data_args={"train": 200, "val": 100},
    steps=30,
)


@pytest.fixture(autouse=True)
def _registries(monkeypatch):
    """Leaves every registry as it was."""
    for name in ("MODELS", "TASKS", "PROBES", "OPTIMIZERS"):
        parts = getattr(registry, name)
        monkeypatch.setattr(parts, "_parts", dict(parts))


@pytest.mark.parametrize(
    ("message", "change"),
    {
        "no model is called 'mpl'; did you mean 'mlp'?": {"model": "mpl"},
        "no data set is called 'mnist5'; did you mean 'mnist5k'?": {"data": "mnist5"},
        "no optimizer is called 'adm'; did you mean 'adam'?": {"optimizer": "adm"},
        "no schedule is called 'lin'": {"schedule": "lin"},
        "no initialization is called 'hee'; did you mean 'he'?": {"init": "hee"},
        "no task is called 'classify'": {"task": "classify"},
        "no probe is called 'gradiens'; did you mean 'gradients'?": {"probes": ("gradiens",)},
        "no metric for a target is called 'val/eror'; did you mean 'val/error'?": {
            "target": {"val/eror": 0.1}
        },
        "no activation is called 'rely'; did you mean 'relu'?": {"model_args.activation": "rely"},
        "unexpected keyword argument 'widht'": {"model_args.widht": 3},
        "optimizer sgd: ": {"optimizer_args.moment": 3},
        "data_args: no argument is called 'size'": {"data_args.size": 14},
        "data_args: label_noise: expected a share from 0 to 1, got 2": {"data_args.label_noise": 2},
        "data_args: train: expected a whole number above 0, got '100'": {"data_args.train": "100"},
        "data_args: shrink: expected a whole number above 0, got 0": {"data_args.shrink": 0},
        "data_args: shrink: expected images with sides that 3 divides": {"data_args.shrink": 3},
        "expected num_classes of at least 1, got 0": {"model_args.num_classes": 0},
    }.items(),
)
def test_what_cannot_be_carried_out_is_one_message(message, change):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        check(RECIPE.override(change), "cpu")


@pytest.mark.parametrize(
    ("message", "change"),
    {
        "expected scores (B, num_classes) and one class for each input, got scores (8, 1) and "
        "torch.float32 targets": {"data": "polynomial", "data_args.standardize": False},
        "expected outputs and numbers of one shape (B, K), got outputs (8, 10) and torch.int64": {
            "task": "regression"
        },
        "a class for each pixel, (B, H, W), got scores (8, 10)": {"task": "segmentation"},
        "one class for each input, got scores (8, 10, 8, 8)": {
            "model": "conv_stack",
            "model_args": {},
            "init": "he",
        },
        "expected classes below 5, got classes from 0 to 9": {"model_args.num_classes": 5},
        "do not go together: ": {"model_args.input_shape": (784,)},
        "resnet": {"model": "resnet18", "model_args": {}, "data": "xor"},
        "expected model function, got Sequential": {"task": "minimization"},
        "probe averaging: expected a network with dropout": {"probes": ("averaging",)},
        "probe drift: expected a network with an activation layer": {
            "model_args.hidden": (),
            "probes": ("drift",),
        },
    }.items(),
)
def test_what_does_not_go_together_is_one_message(message, change):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        check(RECIPE.override(change), "cpu")


@pytest.mark.parametrize(
    "changes",
    [
        {"model_args.norm": "batch"},
        {"model_args.norm": "noisy_batch"},
        {"model": "resnet18", "model_args": {"width": 0.125}, "data": "digits"},
    ],
)
def test_batch_normalization_of_a_single_row_is_one_message(changes):
    """Of one row, or of one feature map of 1x1, in torch's words: each cell would fail so."""
    check(RECIPE.override(changes, batch_size=2), "cpu")
    message = r"batch_size 1 do not go together: Expected more than 1 value per channel when train"
    with pytest.raises(DlgbenchError, match=message):
        check(RECIPE.override(changes, batch_size=1), "cpu")
    check(RECIPE.override(batch_size=1), "cpu")


def test_the_step_that_is_tried_has_the_recipe_s_own_minibatch():
    seen = []

    def step(self, batch, _index):
        seen.append(batch[0].clone())
        return self.objective(self.network(batch[0]), batch[1])

    recipe = as_a_task(training_step=step).override({"data_args.augment": "crop"}, batch_size=30)
    check(recipe, "cpu")
    splits = DataModule(recipe, 0, torch.device("cpu"), may_test=False)
    ((x, _), *_) = next(iter(splits.train_dataloader())).minibatches()
    assert torch.equal(seen[0], x)
    assert len(x) == 30


def test_a_data_set_that_is_too_small_is_said_with_its_sizes():
    with pytest.raises(DlgbenchError, match=r"at most 1200 in all, .* got train=5000 and val=100"):
        check(RECIPE.override({"data_args.train": 5000}), "cpu")


def test_a_coarse_answer_is_not_taken_for_the_middle():
    recipe = Recipe(
        model="conv_stack",
        data="dense_cue",
        task="segmentation",
        data_args={"train": 20, "val": 10, "standardize": False},
        steps=1,
    )
    check(recipe, "cpu")
    coarse = "expected an answer for every pixel, got one for every 4 pixels a side"
    with pytest.raises(DlgbenchError, match=coarse):
        check(recipe.override({"model_args.pool": True}), "cpu")


def test_a_probe_that_measures_time_or_says_so_is_not_tried():
    tried = []
    for name, more in {"a": {}, "b": {"timing": True}, "c": {"tried": False}}.items():
        register_probe(name, when="end", metrics={}, **more)(
            lambda _, name=name: tried.append(name) or {}
        )
    check(RECIPE.override(probes=("a", "b", "c")), "cpu")
    assert tried == ["a"]


def test_own_training_code_is_not_called_and_a_sound_recipe_passes():
    def train(_config, _seed, _log):
        raise AssertionError

    check(Training(train, {}, {"val/error": "share"}), "cpu")
    check(RECIPE.override(probes=("gradients", "updates")), "cpu")


# a user's parts -----------------------------------------------------------------------------------


def as_a_task(**methods):
    part = type("Mine", (Classification,), methods)
    register_task("mine", metrics={"error": "share of the {split} split"})(part)
    return RECIPE.override(task="mine")


def test_a_task_that_measures_what_it_did_not_announce_is_refused():
    check(as_a_task(), "cpu")
    recipe = as_a_task(metrics=lambda _self, _z, _y: {"accuracy": 1.0})
    message = "task mine, data digits: expected the metrics that are announced, val/error, val/loss"
    with pytest.raises(DlgbenchError, match=f"{message}, got val/accuracy, val/loss"):
        check(recipe, "cpu")


@pytest.mark.parametrize("returned", [0.5, None, {"los": 1}])
def test_a_training_step_returns_a_loss(returned):
    recipe = as_a_task(training_step=lambda _self, _batch, _index: returned)
    message = "expected the loss of the minibatch, or a dict with it under loss, got"
    with pytest.raises(DlgbenchError, match=re.escape(f"{message} {returned!r}")):
        check(recipe, "cpu")


def test_the_optimizer_that_a_task_configures_is_one():
    check(as_a_task(configure_optimizers=lambda self: self.optimizer()), "cpu")
    recipe = as_a_task(configure_optimizers=lambda self: [self.optimizer()])
    message = "task mine: expected configure_optimizers to return an optimizer .*, got list"
    with pytest.raises(DlgbenchError, match=message):
        check(recipe, "cpu")


def test_what_is_registered_as_a_part_is_one():
    register_task("function", metrics={})(print)
    register_optimizer("nothing")(lambda *_, **__: None)
    register_model("nothing")(lambda **_: None)
    register_probe("instance", when="training", metrics={})(lambda _: {})
    messages = {
        "task function: expected a subclass of dlgbench.Task, got": {"task": "function"},
        "optimizer nothing: expected a torch.optim.Optimizer, got None": {"optimizer": "nothing"},
        "model nothing: expected its builder to return an nn.Module, got None": {
            "model": "nothing",
            "model_args": {},
        },
        "expected a subclass of Observer": {"probes": ("instance",)},
    }
    for message, change in messages.items():
        with pytest.raises(DlgbenchError, match=re.escape(message)):
            check(RECIPE.override(change), "cpu")


class Blind(Observer):
    def check(self, _network):
        raise KeyError("no layer called 'eye'")

    def summary(self):
        return {}


def test_an_exception_in_a_users_part_is_one_message_with_its_line():
    register_probe("ratio", when="start", metrics={"ratio": "one"})(lambda _: {"ratio": 1 / 0})
    register_probe("blind", when="training", metrics={})(Blind)
    recipes = {
        "ZeroDivisionError: division by zero": RECIPE.override(probes=("ratio",)),
        "KeyError: \"no layer called 'eye'\"": RECIPE.override(probes=("blind",)),
        "AttributeError: 'Mine' object has no attribute 'nothing'": as_a_task(
            training_step=lambda self, _batch, _index: self.nothing
        ),
    }
    for message, recipe in recipes.items():
        where = rf"do not go together: {re.escape(__file__)}, line \d+: {re.escape(message)}"
        with pytest.raises(DlgbenchError, match=where):
            check(recipe, "cpu")


# another data set ---------------------------------------------------------------------------------


def test_why_a_data_set_that_stands_in_does_not_suit():
    changes = {"model": "lenet5", "data": "mnist5k", "model_args": {}}
    ablation = Ablation(
        question="Q?",
        recipe=RECIPE.override(changes),
        arms={"a": {}, "toy": {"data": "xor", "model": "mlp"}},
        scales={"cpu": {}, "gpu": {}},
        name="x",
    )
    assert "got input_shape (1, 8, 8)" in why_unsuited(ablation.with_data("digits"), "cpu")
    wide = Ablation(**{**vars_of(ablation), "recipe": RECIPE.override(data="mnist5k")})
    assert why_unsuited(wide.with_data("digits"), "cpu") == ""


def vars_of(ablation):
    names = ("question", "arms", "scales", "name")
    return {name: getattr(ablation, name) for name in names}


def test_an_optimizer_that_cannot_step_is_one_message():
    register_optimizer("closed")(
        lambda parameters, lr, weight_decay: torch.optim.LBFGS(parameters, lr + weight_decay)
    )
    with pytest.raises(DlgbenchError, match="missing 1 required positional argument: 'closure'"):
        check(RECIPE.override(optimizer="closed"), "cpu")


# what is not here ---------------------------------------------------------------------------------

LARGE = Ablation(
    question="Q?",
    recipe=RECIPE.override(data="mnist"),
    arms={
        "a": {},
        "b": {"data": "cifar10"},
        "c": {"data": "cifar10_ab", "model": "colorization", "task": "image_to_image"},
        "here": {"data": "digits"},
    },
    scales={"cpu": {"arms": ("here",)}},
)


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """The data sets for which a connection was tried: none can be made."""
    tried = []

    def refuse(draft, **_):
        tried.append(draft)
        raise OSError("no route to host")

    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path))
    for name in ("MNIST", "CIFAR10"):
        monkeypatch.setattr(f"torchvision.datasets.{name}", refusing(name, refuse))
    return tried


def refusing(name, refuse):
    import torchvision

    of = getattr(torchvision.datasets, name)
    return type(name, (of,), {"__init__": lambda _self, draft, **more: refuse(draft, **more)})


@pytest.mark.parametrize("scale", ["gpu", "paper"])
def test_all_that_a_run_lacks_is_one_message(downloads, scale):
    with pytest.raises(DlgbenchError) as caught:
        refuse_missing([LARGE], scale)
    first, *lines = str(caught.value).splitlines()
    assert first == f"scale {scale} needs what is not here:"
    starts = [
        "a GPU: expected a CUDA",
        "data cifar10 (185 MB), cifar10_ab (737 MB): its files can't",
    ]
    starts.append("data mnist (55 MB): its files can't be had, and nothing is downloaded for a run")
    assert [line[: len(start) + 2] for line, start in zip(lines, starts, strict=True)] == [
        f"- {start}" for start in starts
    ]
    assert all("Ways to get it: (1) put " in line for line in lines[1:])
    assert not downloads  # it would not start with them


def test_with_a_gpu_what_is_missing_is_downloaded(downloads, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(DlgbenchError) as caught:
        refuse_missing([LARGE], "gpu")
    assert str(caught.value).count("the download failed: no route to host") == 2
    assert "a GPU" not in str(caught.value)
    assert downloads
    refuse_missing([LARGE], "cpu")


def test_an_apple_machine_is_told_what_it_can_do(monkeypatch):
    own = dataclasses.replace(LARGE, arms={"here": {"data": "digits"}}, scales={})
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(DlgbenchError) as caught:
        refuse_missing([own], "gpu")
    reason = "torch finds none here; Apple's mps is not supported; use --scale cpu"
    assert str(caught.value).endswith(f"\n- a GPU: expected a CUDA device, but {reason}")
    refuse_missing([own], "cpu")
