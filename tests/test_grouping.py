"""What is trained together: recipes that differ in numbers alone, of the suite's own parts."""

import dataclasses

import pytest
import torch

from dlgbench import (
    Ablation,
    Cell,
    Recipe,
    register_activation,
    register_model,
    register_optimizer,
    register_probe,
    register_task,
)
from dlgbench.grouping import BYTES, MOST, can_be_lanes, key, most
from dlgbench.probes.observers import Observer
from dlgbench.registry import ACTIVATIONS, MODELS, OPTIMIZERS, PROBES, TASKS
from dlgbench.tasks.classification import Classification
from dlgbench.training import Training

RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (8,), "dropout": 0.1},
    data="mnist5k",
    optimizer="momentum",
    weight_decay=0.2,
    optimizer_args={"momentum": 0.5},
    max_norm=3.0,
)


def cell(recipe=RECIPE, **changes):
    return Cell("x", "a", 0, "cpu", recipe.override(changes), engine="lanes")


NUMBERS = {
    "lr": 0.3,
    "weight_decay": 0.1,
    "schedule": "cosine",
    "init": "orthogonal",
    "random_stream": 3,
    "target": {"val/error": 0.5},
    "max_norm": 1.0,
    "model_args.dropout": 0.7,
    "optimizer_args.momentum": 0.9,
    "data_args.train": 100,
    "data_args.val": 100,
    "data_args.label_noise": 0.5,
    "data_args.standardize": False,
}
STRUCTURE = {
    "model": "linear",
    "data": "digits",
    "task": "regression",
    "loss": "squared",
    "optimizer": "nag",
    "weight_decay": 0.0,
    "max_norm": None,
    "batch_size": 7,
    "steps": 7,
    "evaluations": 7,
    "probes": ("updates",),
    "identity": ("Dropout",),
    "model_args.hidden": (9,),
    "model_args.dropout": 0.0,
    "model_args.activation": "tanh",
    "model_args.norm": "batch",
    "optimizer_args.nesterov": True,
    "optimizer_args.momentum": 0.0,
    "data_args.shrink": 2,
    "data_args.augment": "crop",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_cells_that_differ_in_a_number_go_together(name):
    assert key(cell(**{name: NUMBERS[name]})) == key(cell())


@pytest.mark.parametrize("name", STRUCTURE)
def test_cells_that_differ_in_their_structure_do_not(name):
    assert key(cell(**{name: STRUCTURE[name]})) != key(cell())


def test_every_field_of_a_recipe_is_in_one_of_the_two_lists():
    fields = {field.name for field in dataclasses.fields(Recipe)}
    assert {name.partition(".")[0] for name in [*NUMBERS, *STRUCTURE]} == fields


def test_purpose_seed_and_arm_may_differ_but_not_scale_and_precision():
    other = dataclasses.replace(cell(), arm="b", seed=9, purpose="tune")
    assert key(other) == key(cell())
    assert key(dataclasses.replace(cell(), scale="gpu")) != key(cell())
    assert key(dataclasses.replace(cell(), precision="tf32")) != key(cell())


def own_train(config, seed, log):
    log("val/error", config["lr"], seed)
    return {"val/error": config["lr"]}


@pytest.fixture
def own_parts():
    """Parts that a user registers; they are gone afterwards."""
    register_task("own", metrics={"error": "e"})(type("Own", (Classification,), {}))
    register_optimizer("own")(torch.optim.SGD)
    register_activation("own")(torch.nn.ReLU)
    register_model("own", family="x", year=2000, paper="x", proof="x")(lambda **_: None)
    register_probe("own_end", when="end", metrics={"a": "a"})(lambda _: {"a": 0.0})
    register_probe("own_observer", when="training", metrics={"b": "b"})(type("O", (Observer,), {}))
    yield
    for registry, names in (
        *((registry, ["own"]) for registry in (TASKS, OPTIMIZERS, ACTIVATIONS, MODELS)),
        (PROBES, ["own_end", "own_observer"]),
    ):
        for name in names:
            del registry._parts[name]


@pytest.mark.usefixtures("own_parts")
def test_a_user_s_own_code_runs_in_the_single_engine():
    assert can_be_lanes(RECIPE)
    for changes in (
        {"task": "own"},
        {"optimizer": "own"},
        {"model": "own"},
        {"model": "lenet"},
        {"model_args.activation": "own"},
        {"probes": ("own_observer",)},
        {"optimizer_args": {"maximize": True}},
    ):
        assert not can_be_lanes(RECIPE.override(changes)), changes
    assert can_be_lanes(RECIPE.override(probes=("own_end",)))  # looks at the trained network
    assert not can_be_lanes(Training(own_train, {"lr": 0.1}, {"val/error": "e"}))


def test_an_ablation_has_one_engine_for_all_that_it_pairs():
    def ablation(**arms):
        return Ablation(question="?", recipe=RECIPE, arms=arms, scales={"cpu": {"seeds": 5}})

    dropout = {"model_args.dropout": 0.5}
    lanes, mixed = ablation(a={}, b=dropout), ablation(a={}, c={"model": "lenet", "model_args": {}})
    probed = ablation(a={}, c={"model": "lenet", "model_args": {}, "steps": 0})
    assert {c.engine for c in lanes.cells("cpu")} == {"lanes"}
    assert {c.engine for c in mixed.cells("cpu")} == {"single"}
    assert {c.engine for c in probed.cells("cpu")} == {"lanes"}  # what is not trained has no engine
    assert {c.engine for c in ablation(a={"steps": 0}).cells("cpu")} == {"single"}


def test_how_many_lanes_by_net_and_batch():
    small, wide = cell(), cell(**{"model_args.hidden": (2000, 2000)})
    assert most(cell(**{"model_args.hidden": (2,), "data": "annulus", "batch_size": 10})) == MOST
    assert most(wide) == 1
    assert (
        1
        < most(cell(**{"data_args.shrink": 2, "batch_size": 500}))
        < most(cell(**{"data_args.shrink": 2, "batch_size": 50}))
    )
    assert most(dataclasses.replace(small, engine="single")) == 1
    assert most(cell(steps=0)) == 1
    # 784-8-10 at batch 100: the first layer has 784 x 8 weights, 100 x 784 inputs, 100 x 8 outputs
    assert most(small) == BYTES // (4 * (784 * 8 + 100 * (784 + 8)))
    shrunk = cell(**{"data_args.shrink": 2})  # 14x14
    assert most(shrunk) == BYTES // (4 * (196 * 8 + 100 * (196 + 8)))
