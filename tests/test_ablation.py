import dataclasses
import pickle
import re

import pytest

from dlgbench import (
    Ablation,
    Claim,
    DlgbenchError,
    Recipe,
    Training,
    at_least,
    difference,
    exactly,
    register_probe,
    value,
)
from dlgbench.registry import PROBES

RECIPE = Recipe(model="mlp", data="mnist5k", steps=100)
SOUND = {
    "question": "Q?",
    "slide": "S",
    "recipe": RECIPE,
    "arms": {"none": {}, "dropout": {"model_args.dropout": 0.5}, "untrained": {"steps": 0}},
    "claims": [Claim("C", difference("test/error", "none", "dropout"), at_least(0.1))],
    "scales": {"cpu": {"steps": 50, "seeds": 6}, "gpu": {"precision": "bf16"}},
    "tune": {"lr": (0.1, 0.2, 0.3)},
}


def train(_config, _seed, _log):
    raise AssertionError("declaring an ablation trains nothing")


OWN = {
    "question": "Q?",
    "train": train,
    "config": {"mixup": 0.0, "lr": 0.1, "net": {"width": 8, "depth": 2}},
    "metrics": {"val/error": "on validation", "test/error": "on test", "val/accuracy": "share"},
    "arms": {"none": {}, "mixup": {"mixup": 0.2}},
    "claims": [Claim("C", difference("test/error", "none", "mixup"), at_least(0.1))],
    "tune": {"lr": (0.1, 0.2, 0.3)},
}


def test_cells_are_arms_times_seeds_and_tuning_seeds_never_evaluate():
    cells = Ablation(**SOUND).cells("cpu")
    tuning = [cell for cell in cells if cell.purpose == "tune"]
    evaluation = [cell for cell in cells if cell.purpose == "evaluate"]
    assert (len(tuning), len(evaluation)) == (2 * 3 * 2, 3 * 6)  # what trains nothing is not tuned
    assert not {c.seed for c in tuning} & {c.seed for c in evaluation}
    assert {c.work.steps for c in cells} == {0, 50}
    assert len({c.id for c in cells}) == len(cells)
    assert pickle.loads(pickle.dumps(cells)) == cells


def test_scales_change_the_recipe_before_the_arms_do():
    scales = {"cpu": {"model_args.dropout": 0.1, "model_args.hidden": (3,)}, "gpu": {}}
    ablation = Ablation(**SOUND | {"scales": scales})
    assert ablation.arm("dropout", "cpu").model_args == {"dropout": 0.5, "hidden": (3,)}
    assert Ablation(**SOUND).at("gpu").precision == "bf16"
    smoke = Ablation(**SOUND).arm("none", "smoke")
    assert (smoke.steps, smoke.data_args) == (4, {"train": 200, "val": 100})
    assert Ablation(**SOUND).arm("untrained", "smoke").steps == 0


def test_a_scale_that_is_not_declared_changes_nothing():
    ablation = Ablation(**SOUND | {"scales": {"cpu": {"steps": 50}}})
    assert ablation.arm("none", "gpu") == SOUND["recipe"]
    assert Ablation(**SOUND | {"scales": None}).arm("none", "cpu") == SOUND["recipe"]


def test_paper_is_what_gpu_is_unless_it_is_declared():
    gpu = {"seeds": 7, "steps": 80, "precision": "bf16", "arms": ("none",)}
    ablation = Ablation(**SOUND | {"scales": {"gpu": gpu}})
    assert ablation.arm("none", "paper") == ablation.arm("none", "gpu")
    assert dataclasses.replace(ablation.at("gpu"), name="paper") == ablation.at("paper")
    declared = Ablation(**SOUND | {"scales": {"gpu": gpu, "paper": {"seeds": 5}}})
    assert declared.arm("none", "paper") == SOUND["recipe"]
    assert declared.arms_at("paper") == ("none", "dropout", "untrained")
    assert (declared.at("paper").seeds, declared.at("paper").precision) == (5, "tf32")


def test_smoke_may_take_some_arms():
    ablation = Ablation(**SOUND | {"scales": {"smoke": {"arms": ("untrained",)}}})
    assert ablation.arms_at("smoke") == ("untrained",)
    assert ablation.arms_at("cpu") == ("none", "dropout", "untrained")
    assert {cell.arm for cell in ablation.cells("smoke")} == {"untrained"}


def test_what_measures_time_makes_timing_cells_and_is_trained_by_itself(monkeypatch):
    monkeypatch.setattr(PROBES, "_parts", dict(PROBES))
    register_probe("clock", when="end", metrics={"clock": "seconds"}, timing=True)(print)
    assert not any(cell.timing for cell in Ablation(**SOUND).cells("cpu"))
    assert Ablation(**SOUND).engine("cpu") == "lanes"
    arms = SOUND["arms"] | {"dropout": {"probes": ("clock",)}}
    by_probe = Ablation(**SOUND | {"arms": arms})
    assert {cell.arm for cell in by_probe.cells("cpu") if cell.timing} == {"dropout"}
    assert by_probe.engine("cpu") == "single"
    seconds = Claim("C", difference("seconds", "none", "dropout"), at_least(0.1))
    by_itself = Ablation(**SOUND | {"timing": True, "claims": [seconds]})
    assert all(cell.timing for cell in by_itself.cells("cpu"))
    assert by_itself.engine("cpu") == "single"
    assert all(cell.timing for cell in Ablation(**OWN, timing=True).cells("smoke"))


def test_grids_per_arm():
    grids = {"none": {"lr": (0.1, 0.2)}, "dropout": {"weight_decay": (0.1, 0.2)}}
    grid = Ablation(**SOUND | {"tune": grids}).grid("dropout", "cpu")
    assert grid == [{"weight_decay": 0.1}, {"weight_decay": 0.2}]


def test_a_scale_may_take_some_arms_and_with_them_some_claims():
    scales = {"cpu": {"arms": ("none", "untrained")}, "gpu": {}}
    ablation = Ablation(**SOUND | {"scales": scales})
    assert {cell.arm for cell in ablation.cells("cpu")} == {"none", "untrained"}
    assert (len(ablation.claims_at("cpu")), len(ablation.claims_at("gpu"))) == (0, 1)


def test_another_set_of_images_stands_in_and_changes_what_it_must():
    changes = {"data_args.val": 1000, "data_args.shrink": 2, "target": {"val/error": 0.1}}
    own = Ablation(
        **SOUND
        | {
            "name": "mine/q",
            "recipe": RECIPE.override(changes),
            "arms": SOUND["arms"] | {"toy": {"data": "xor"}},
            "dataset_overrides": {"fashion_mnist": {"target": {"val/error": 0.3}}},
        }
    )
    there, digits = own.with_data("fashion_mnist"), own.with_data("digits")
    assert (there.name, own.name, there.data) == ("mine/q@fashion_mnist", "mine/q", "fashion_mnist")
    other = {"data": "fashion_mnist", "target": {"val/error": 0.3}}
    assert there.arm("none", "cpu") == own.arm("none", "cpu").override(other)
    small = {"data": "digits", "data_args.val": 200, "data_args.shrink": 1}
    assert digits.arm("none", "cpu") == own.arm("none", "cpu").override(small)
    assert there.arm("toy", "cpu") == digits.arm("toy", "cpu") == own.arm("toy", "cpu")
    assert there.arms_on_other_data("cpu") == list(SOUND["arms"])
    with pytest.raises(DlgbenchError, match="no data set that can stand in for others is called"):
        own.with_data("xor")


def claim(metric, arm="none"):
    return [Claim("C", value(metric, arm), exactly(1))]


def scales(cpu, gpu=()):
    return {"scales": {"cpu": cpu, "gpu": dict(gpu)}}


@pytest.mark.parametrize(
    ("message", "change"),
    {
        "claim 'C': no arm is called 'dropuot'; did you mean 'dropout'?": {
            "claims": [Claim("C", difference("test/error", "none", "dropuot"), at_least(1))]
        },
        "no metric is called 'test/eror'; did you mean 'test/error'?": {
            "claims": claim("test/eror")
        },
        "no metric is called 'gradient/first'": {  # no probe records it
            "claims": claim("gradient/first")
        },
        "arm 'untrained' at cpu: no metric is called 'test/error'": {
            "claims": claim("test/error", "untrained")
        },
        "expected a statement of its own for each claim, got 'C' twice": {
            "claims": SOUND["claims"] * 2
        },
        "expected at least one arm, got none": {"arms": {}},
        "expected a recipe, or train with its config, got none": {"recipe": None},
        "expected a recipe, or train with its config, got both": {"train": train},
        "expected steps to be set once, got it from arm 'untrained' and from dataset_overrides": {
            "dataset_overrides": {"digits": {"steps": 9}}
        },
        "dataset_overrides: no data set that can stand in for others is called 'fashion'; "
        "did you mean 'fashion_mnist'?": {"dataset_overrides": {"fashion": {}}},
        "no metric for a target is called 'val/eror'": {
            "dataset_overrides": {"digits": {"target": {"val/eror": 0.1}}}
        },
        "arm 'none' at cpu: no field of Recipe is called 'model_arg'": {
            "arms": {"none": {"model_arg.x": 1}}
        },
        "no scale to declare is called 'large'. Known: cpu, gpu, paper, smoke": {
            "scales": {"cpu": {}, "gpu": {}, "large": {}}
        },
        "scale smoke: expected arms alone, got steps; a recipe is cut down by itself": {
            "scales": {"smoke": {"arms": ("none",), "steps": 4}}
        },
        "claim 'C': expected timing=True of an ablation with a claim about seconds": {
            "claims": [Claim("C", difference("seconds", "none", "dropout"), at_least(0.1))]
        },
        "expected at least 5 seeds for a verdict on what is random, got 3": scales({"seeds": 3}),
        "seeds: expected a whole number from 1 to 999, got 0": scales({"seeds": 0}),
        "no precision is called 'fp8'": scales({"precision": "fp8"}),
        "no arm is called 'nine'; did you mean 'none'?": scales({"arms": ("nine",)}),
        "claim 'C': expected a scale that runs all of its arms, got none": scales(
            {"arms": ("none",)}, {"arms": ("none",)}
        ),
        "expected the same tuning budget for every arm, got grids of": {
            "tune": {"none": {"lr": (0.1,)}, "dropout": {"lr": (0.1, 0.2)}}
        },
        "expected a grid for every arm, since budgets must be equal; tune has none for dropout": {
            "tune": {"none": {"lr": (0.1,)}}
        },
        "expected lr to be set once, got it from arm 'a' and its grid": {
            "arms": {"a": {"lr": 0.1}, "none": {}, "dropout": {}}
        },
        "expected at least 5 seeds for a verdict on what is random, got 1": {
            **scales({"seeds": 1}),
            "recipe": RECIPE.override(steps=0),
            "tune": {},
            "claims": [],
        },
        "lr: expected a tuple of values, got 0.1": {"tune": {"lr": 0.1}},
        "no field of Recipe is called 'lrr'; did you mean 'lr'?": {"tune": {"lrr": (0.1,)}},
        "no metric on the validation split is called 'test/error'": {"select": "test/error"},
        "no metric on the validation split is called 'steps_to_target'": {  # there is no target
            "select": "steps_to_target"
        },
        "select: no metric on the validation split is called 'steps_to_target'": {
            "select": "steps_to_target",
            "recipe": RECIPE.override(target={"train/loss": 1}),
        },
        "no probe is called 'gradient'; did you mean 'gradients'?": {
            "recipe": RECIPE.override(probes=("gradient",))
        },
        "no metric for a target is called 'test/error'": {
            "recipe": RECIPE.override(target={"test/error": 0.1})
        },
    }.items(),
)
def test_nonsense_is_refused_when_declared(message, change):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        Ablation(**SOUND | change)


def test_the_quickest_setting_may_be_chosen_where_the_target_is_on_the_validation_split():
    recipe = RECIPE.override(target={"val/error": 0.1})
    ablation = Ablation(**SOUND | {"select": "steps_to_target", "recipe": recipe})
    assert ablation.select == "steps_to_target"


# own training code --------------------------------------------------------------------------------


def test_own_training_code_has_cells_as_a_recipe_has():
    scales = {"cpu": {"seeds": 6, "net.width": 4}, "gpu": {}}
    ablation = Ablation(**OWN | {"scales": scales})
    cells = ablation.cells("cpu")
    assert len(cells) == 2 * 3 * 2 + 2 * 6
    assert {cell.work.config["net"] for cell in cells} == {
        ablation.arm("none", "cpu").config["net"]
    }
    mixed = ablation.arm("mixup", "cpu")
    assert isinstance(mixed, Training)
    assert dict(mixed.config) == {"mixup": 0.2, "lr": 0.1, "net": {"width": 4, "depth": 2}}
    assert mixed.flat() == {"mixup": 0.2, "lr": 0.1, "net.width": 4, "net.depth": 2}
    assert cells[0].chosen({"lr": 0.3}).work.config["lr"] == 0.3
    assert pickle.loads(pickle.dumps(cells)) == cells


def test_own_training_code_may_leave_scales_out_and_say_what_smoke_cuts():
    bare = Ablation(**OWN)
    assert [bare.at(scale).seeds for scale in ("cpu", "gpu", "smoke")] == [10, 10, 2]
    assert {bare.arm("none", scale) for scale in ("cpu", "gpu", "smoke")} == {bare.work}
    cut = Ablation(**OWN | {"scales": {"smoke": {"net.width": 1}, "cpu": {"net.width": 4}}})
    widths = [cut.arm("none", scale).config["net"]["width"] for scale in ("smoke", "cpu", "gpu")]
    assert widths == [1, 4, 8]
    assert len(cut.cells("smoke")) == 2 * 1 + 2 * 2  # one point of the grid, two seeds


def test_a_data_set_that_stands_in_leaves_own_training_code_alone():
    ablation = Ablation(**OWN).with_data("digits")
    assert ablation.arms_on_other_data("cpu") == []


@pytest.mark.parametrize(
    ("message", "change"),
    {
        "arm 'mixup' at cpu: no entry of config is called 'mixpu'; did you mean 'mixup'?": {
            "arms": {"none": {}, "mixup": {"mixpu": 0.2}}
        },
        "no entry of config is called 'width'": {"scales": {"cpu": {"width": 1}}},
        "arm 'none' at smoke: no entry of config is called 'width'": {
            "scales": {"smoke": {"width": 1}}
        },
        "'lr.x': expected lr to be a dict, got 0.1": {"arms": {"none": {"lr.x": 1}, "mixup": {}}},
        "tune: no entry of config is called 'lrr'; did you mean 'lr'?": {"tune": {"lrr": (1,)}},
        "no metric is called 'test/eror'; did you mean 'test/error'?": {
            "claims": claim("test/eror")
        },
        "no metric on the validation split is called 'test/error'": {"select": "test/error"},
        "no scale to declare is called 'tiny'. Known: cpu, gpu, paper, smoke": {
            "scales": {"cpu": {}, "tiny": {}}
        },
        "expected at least 5 seeds": {"scales": {"cpu": {"seeds": 2}}},
        "train: expected a function of (config, seed, log), got 'train.py'": {"train": "train.py"},
        "metrics: expected a dict of what train returns": {"metrics": None},
        "expected a number, string, list or dict, got <function train": {"config": {"f": train}},
    }.items(),
)
def test_nonsense_about_own_training_code_is_refused_when_declared(message, change):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        Ablation(**OWN | change)
