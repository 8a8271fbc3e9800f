import pickle

import pytest

from dlgbench import DlgbenchError, Recipe

BASE = Recipe(model="mlp", data="mnist5k", model_args={"hidden": [128, 64]}, lr=0.1)


def test_but_changes_a_copy_and_reaches_inside():
    changed = BASE.override({"model_args.dropout": 0.5}, lr=0.01)
    assert (changed.lr, changed.model_args) == (0.01, {"hidden": (128, 64), "dropout": 0.5})
    assert (BASE.lr, BASE.model_args) == (0.1, {"hidden": (128, 64)})


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
    ("changes", "message"),
    [
        (
            {"model_arg.hidden": 1},
            "no field of Recipe is called 'model_arg'; did you mean 'model_args'?",
        ),
        ({"lr.x": 1}, "reaches into lr, which is 0.1"),
        ({"lr": -1}, "lr must be a number above 0; -1 came"),
        ({"lr": float("nan")}, "lr must be a number above 0; nan came"),
        ({"steps": 1.5}, "steps must be a whole number of at least 0; 1.5 came"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"data": None}, "1000 steps of training need data"),
        ({"model_args": {"f": print}}, "a recipe holds numbers, strings, lists and dicts"),
        ({"probes": "gradients"}, "probes must be a tuple of names; 'gradients' came"),
    ],
)
def test_nonsense_is_refused_by_name(changes, message):
    with pytest.raises(DlgbenchError, match=message.replace("(", r"\(").replace("?", r"\?")):
        BASE.override(changes)
