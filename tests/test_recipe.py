import pickle
import re

import numpy as np
import pytest

from dlgbench import DlgbenchError, Recipe

BASE = Recipe(model="mlp", data="mnist5k", model_args={"hidden": [128, 64]}, lr=0.1)


def test_override_changes_a_copy_and_reaches_inside():
    changed = BASE.override({"model_args.dropout": 0.5}, lr=0.01)
    assert (changed.lr, changed.model_args) == (0.01, {"hidden": (128, 64), "dropout": 0.5})
    assert (BASE.lr, BASE.model_args) == (0.1, {"hidden": (128, 64)})


def test_numbers_of_numpy_are_the_numbers_that_they_are():
    ours = {"lr": 0.5, "batch_size": 32, "model_args": {"hidden": (8, 4), "skip": True}}
    ours |= {"target": {"val/error": 0.10000000149011612}, "init": "he"}
    theirs = {
        "lr": np.float32(0.5),
        "batch_size": np.int64(32),
        "model_args": {"hidden": np.array([8, 4]), "skip": np.bool_(True)},  # noqa: FBT003  # a value
        "target": {"val/error": np.float32(0.1)},
        "init": np.str_("he"),
    }
    recipe = BASE.override(theirs)
    assert recipe == BASE.override(ours)
    assert recipe.to_json() == BASE.override(ours).to_json()
    assert Recipe.from_json(recipe.to_json()) == recipe
    kinds = {type(value) for value in (recipe.lr, recipe.batch_size, *recipe.model_args.values())}
    assert kinds == {float, int, tuple, bool}
    assert type(BASE.override(lr=np.float64(0.1)).lr) is float
    with pytest.raises(DlgbenchError, match="expected a number, string, list or dict, got 1j"):
        BASE.override(model_args={"z": np.complex128(1j)})
    with pytest.raises(DlgbenchError, match="batch_size: expected a whole number of at least 1"):
        BASE.override(batch_size=np.float64(32))


def test_json_pickle_and_hash_keep_a_recipe():
    assert Recipe.from_json(BASE.to_json()) == BASE
    assert pickle.loads(pickle.dumps(BASE)) == BASE
    assert len({BASE, Recipe.from_json(BASE.to_json()), BASE.override(lr=0.2)}) == 2


def test_nothing_in_a_recipe_can_be_changed():
    with pytest.raises(TypeError):
        BASE.model_args["hidden"] = (1,)  # type: ignore[index]
    with pytest.raises(AttributeError):
        BASE.lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("message", "changes"),
    {
        "no field of Recipe is called 'model_arg'; did you mean 'model_args'?": {
            "model_arg.hidden": 1
        },
        "'lr.x': expected lr to be a dict, got 0.1": {"lr.x": 1},
        "lr: expected a number above 0, got -1": {"lr": -1},
        "lr: expected a number above 0, got nan": {"lr": float("nan")},
        "steps: expected a whole number of at least 0, got 1.5": {"steps": 1.5},
        "batch_size: expected a whole number of at least 1, got True": {"batch_size": True},
        "max_norm: expected a number above 0 or None, got 0": {"max_norm": 0},
        "target: expected at most one metric and its value": {"target": {"a": 1, "b": 2}},
        "expected a data set for 1000 steps of training, got none": {"data": None},
        "expected a number, string, list or dict, got <built-in function print>": {
            "model_args": {"f": print}
        },
        "probes: expected a tuple of names, got 'gradients'": {"probes": "gradients"},
    }.items(),
)
def test_nonsense_is_refused_by_name(message, changes):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        BASE.override(changes)
    with pytest.raises(DlgbenchError, match="no field of Recipe is called 'lrr'"):
        Recipe.from_json(BASE.to_json().replace('"lr"', '"lrr"'))


def test_flat_names_reach_inside():
    flat = BASE.flat()
    assert (flat["model_args.hidden"], flat["lr"]) == ([128, 64], 0.1)
