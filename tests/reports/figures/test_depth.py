import math

import pytest

from dlgbench import Claim, Recipe, at_least, at_most, difference, value
from dlgbench.registry import MODELS
from dlgbench.reports.figures import depth

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}
TRICKS = {
    "plain": {},
    "norm": {"model_args.norm": "batch"},
    "tanh": {"model_args.activation": "tanh"},
}
DEEP = {
    f"{trick}_{d}": changes | {"model_args.hidden": (8,) * d}
    for trick, changes in TRICKS.items()
    for d in (2, 5, 10)
}


def deep(arm, seed):
    trick, _, layers = arm.partition("_")
    error = {"plain": 0.05 * int(layers), "norm": 0.1, "tanh": 0.9}[trick]
    if arm == "plain_10" and seed == 1:
        return None
    curves = [(name, step, error / step) for name in ("val/error", "train/loss") for step in (1, 2)]
    return {
        "summary": {"test/error": error, "train/error": error / 2},
        "history": tuple(curves),
    }


def test_error_by_depth_and_the_frontier_of_each_trick(make_study, rendered):
    claims = [Claim("It trains", value("test/error", "norm_10"), at_most(0.3))]
    study = make_study(MLP, DEEP, deep, claims)
    tricks = depth.tricks_by_depth(study)
    assert tricks["plain"] == {2: "plain_2", 5: "plain_5", 10: "plain_10"}
    plots = rendered("depth", study)
    rows = plots["depth"].data.set_index(["metric", "trick", "depth"])["mean"]
    assert rows["train/error", "plain", 5] == pytest.approx(0.125)
    assert rows["test/error", "plain", 10] == pytest.approx(0.5)
    assert set(plots["depth_curves"].data["arm"]) == set(DEEP)
    legend = plots["depth_curves"].figure.axes[2].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [f"{d} layers" for d in (2, 5, 10)]
    heat = rendered("heatmap", study)["heatmap"]
    edges = heat.data.loc[heat.data["frontier"], ["trick", "depth"]].to_numpy()
    assert edges.tolist() == [["plain", 5], ["norm", 10]]
    errors = heat.data.set_index(["trick", "depth"])["test/error"]
    assert math.isinf(errors["plain", 10])  # diverged once: the worst rank
    assert "at most 0.3" in heat.caption


def test_no_heatmap_where_no_claim_says_what_trains(make_study, drawn):
    claims = [
        Claim("It is perfect", value("train/error", "norm_10"), at_most(0.3)),
        Claim("It helps", difference("test/error", "plain_10", "norm_10"), at_least(0)),
    ]
    assert drawn("heatmap", make_study(MLP, DEEP, deep, claims)) == {}


def test_depth_is_read_off_the_recipe():
    assert depth.depth_of(Recipe("mlp", "xor", model_args={"hidden": (4, 4, 4)})) == 3
    assert depth.depth_of(Recipe("plain56", "cifar10")) == 56
    assert depth.depth_of(Recipe("cifar_resnet", "cifar10", model_args={"depth": 110})) == 110
    assert depth.depth_of(Recipe("linear", "xor")) is None
    assert set(depth.NAMED) <= set(MODELS)


def test_families_of_models_are_tricks(make_study, drawn):
    families = ("plain", "resnet")
    arms = {f"{family}{d}": {"model": f"{family}{d}"} for family in families for d in (20, 56)}

    def result(arm, _):
        return {"summary": {"test/error": 0.1, "train/error": 0.2 * arm.startswith("plain")}}

    study = make_study(MLP, arms, result)
    assert list(depth.tricks_by_depth(study)) == ["plain", "resnet"]
    assert set(drawn("depth", study)) == {"depth"}  # no curves were recorded
    assert drawn("heatmap", study) == {}
