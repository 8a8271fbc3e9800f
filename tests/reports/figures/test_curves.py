import math
import re

import numpy as np
import pytest

from dlgbench import Claim, at_least, difference, register_task
from dlgbench.registry import TASKS
from dlgbench.reports import style
from dlgbench.reports.figures.curves import dropout_pairs

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}


def test_pairs_that_differ_in_dropout_alone_share_a_panel(make_study, rendered, curve):
    arms = {
        f"{name}{d}": {"model_args.hidden": (8,) * d, **more}
        for d in (2, 3)
        for name, more in (("none", {}), ("drop", {"model_args.dropout": 0.5}))
    }
    arms["odd"] = {"model_args.hidden": (8, 8), "model_args.dropout": 0.5, "identity": ("Dropout",)}

    def result(arm, _):
        return {"history": curve("val/error", [0.9, 0.2 if arm.startswith("none") else 0.1])}

    study = make_study(MLP, arms, result)
    assert dropout_pairs(study) == {
        "hidden (8, 8)": ("none2", "drop2"),
        "hidden (8, 8, 8)": ("none3", "drop3"),
    }
    data = rendered("dropout", study)["dropout"].data
    late = data[data["step"] == 2].set_index("arm")["mean"].to_dict()
    assert late == pytest.approx({"none2": 0.2, "none3": 0.2, "drop2": 0.1, "drop3": 0.1})


def test_the_axis_of_dropout_holds_the_bands(make_study, drawn, curve):
    arms = {
        f"{name}{d}": {"model_args.hidden": (8,) * d, "model_args.dropout": p}
        for d in (2, 3)
        for name, p in (("none", 0.0), ("drop", 0.5))
    }

    def result(arm, seed):
        error = 0.2 + 0.04 * seed
        errors = [0.9, 0.3, error + 0.001 * arm.startswith("none"), error, error, error]
        return {"history": curve("val/error", errors)}

    plot = drawn("dropout", make_study(MLP, arms, result))["dropout"]
    late = plot.data[plot.data["step"] > 1]
    low, high = plot.figure.axes[0].get_ylim()
    assert low < late["low"].min() < late["high"].max() < high < 0.5


def test_an_svg_has_dark_colours_of_its_own(make_study, rendered, curve, tmp_path):
    def result(*_):
        return {"summary": {"test/error": 0.1}, "history": curve("val/error", [0.9, 0.2])}

    rendered("curves", make_study(MLP, {"a": {}}, result))
    svg = (tmp_path / "curves.svg").read_text()
    used = set(re.findall(r"(?:fill|stroke): (#\w{6})", svg[svg.index("</style>") :]))
    assert style.INK in used
    for light in used & set(style.DARK):
        assert f'[style*="fill: {light}"] {{fill: {style.DARK[light]} !important}}' in svg
    assert not re.search(r' d="[^"]*\.\d{3}', svg)


def test_curves_of_another_task(make_study, drawn):
    claims = [Claim("It helps", difference("test/psnr", "b", "a"), at_least(1))]
    names = ("val/psnr", "val/mse", "train/loss")
    history = tuple((name, step, 20.0 + step) for name in names for step in (1, 2))
    result = {"summary": {"test/psnr": 20.0}, "history": history}
    recipe = MLP | {"task": "image_to_image", "data": "photographs"}
    study = make_study(recipe, {"a": {}, "b": {"lr": 0.2}}, lambda *_: result, claims)
    assert set(drawn("curves", study)["curves"].data["metric"]) == {"val/psnr", "train/loss"}


def test_curves_of_a_task_of_ones_own(make_study, drawn):
    register_task("dice", metrics={"dice": "overlap on the {split} split"})(object)
    try:
        names = ("val/dice", "val/loss", "train/loss")
        history = tuple((name, step, 0.5) for name in names for step in (1, 2))
        study = make_study(MLP | {"task": "dice"}, {"a": {}}, lambda *_: {"history": history})
        plot = drawn("curves", study)["curves"]
        assert set(plot.data["metric"]) == {"val/dice", "train/loss"}
        titles = {ax.get_title("left") for ax in plot.figure.axes}
        assert titles == {"validation dice", "training loss (minibatches)"}
    finally:
        TASKS._parts.pop("dice")


def train(config, seed, log):
    raise NotImplementedError


def test_whatever_a_training_function_logs_has_a_curve(make_study, rendered):
    names = ("val/error", "val/nll", "val/ece", "grad")
    history = tuple((name, step, -0.5 * step) for name in names for step in (0, 5))
    study = make_study(
        None,
        {"none": {}, "mixup": {"mixup": 0.2}},
        lambda *_: {"summary": {"test/error": 0.1}, "history": history},
        train=train,
        config={"mixup": 0.0},
        metrics={"test/error": "share misclassified"},
    )
    plots = rendered("curves", study)
    assert list(plots) == ["curves", "curves_2"]  # at most three metrics side by side
    drawn = set(plots["curves"].data["metric"]) | set(plots["curves_2"].data["metric"])
    assert drawn == set(names)
    assert set(plots["curves"].data["step"]) == {0, 5}
    assert "Data:" not in plots["curves"].caption


def test_panels_with_nothing_to_draw_are_left_out(make_study, rendered, drawn, curve):
    def result(arm, _):
        loss = curve("train/loss", [math.nan, *([1.0, 0.5] if arm < "a6" else [math.nan])])
        return {"history": curve("val/error", [0.9, 0.2]) + loss}

    arms = {f"a{k}": {"batch_size": 10 + k} for k in range(9)}
    axes = rendered("curves", make_study(MLP, arms, result))["curves"].figure.axes
    assert [ax.get_visible() for ax in axes] == [True, True, True, False]
    assert axes[1].get_xlabel() == "optimizer step"
    nothing = curve("val/error", [0.9, 0.2]) + curve("train/loss", [math.nan, math.nan])
    study = make_study(MLP, {"a": {}}, lambda *_: {"history": nothing})
    assert len(drawn("curves", study)["curves"].figure.axes) == 1


def test_one_evaluation_is_no_curve_and_a_few_are_marked(make_study, drawn, curve):
    def study(*values):
        history = curve("val/error", list(values)) + curve("train/loss", [0.5])
        return make_study(MLP, {"a": {}}, lambda *_: {"history": history})

    assert "curves" not in drawn("curves", study(0.9))
    for values, marker in (((0.9, 0.2), "o"), (np.linspace(0.9, 0.2, 20), "None")):
        (ax,) = drawn("curves", study(*values))["curves"].figure.axes
        assert [line.get_marker() for line in ax.lines] == [marker]


def test_what_runs_away_does_not_make_one_line_of_the_others(make_study, drawn, curve):
    losses = {"calm": [2.0, 0.5, 0.1], "wild": [3.0, 1e9, 1e20]}
    arms = {"calm": {}, "wild": {"lr": 10.0}}
    study = make_study(MLP, arms, lambda arm, _: {"history": curve("train/loss", losses[arm])})
    plot = drawn("curves", study)["curves"]
    low, high = plot.figure.axes[0].get_ylim()
    assert (low < 0.1, high) == (True, pytest.approx(2500))  # a thousand times the median start
    assert "beyond 1,000 times the start is cut" in plot.caption


def test_arms_with_other_minibatches_are_drawn_by_epoch_too(make_study, drawn):
    arms = {
        "full": {"batch_size": 200, "steps": 2},
        "b50": {"batch_size": 50, "steps": 8},
        "untrained": {"steps": 0},
    }

    def result(arm, _):
        steps = {"full": (0, 1, 2), "untrained": (0,)}.get(arm, (0, 4, 8))
        errors = zip(steps, (0.9, 0.5, 0.3), strict=False)
        return {"history": tuple(("val/error", step, error) for step, error in errors)}

    def plots(arms):
        recipe = MLP | {"data_args": {"train": 200, "val": 100}}
        return drawn("curves", make_study(recipe, arms, result))

    assert set(plots({arm: {"batch_size": 50} for arm in "ab"})) == {"curves"}
    assert set(plots(arms | {"all": {"data_args.train": None}})) == {"curves"}  # of how many?
    data = plots(arms)["curves_by_epoch"].data
    reached = data.groupby("arm")[["step", "epoch"]].max()
    assert reached.loc[["b50", "full"], "epoch"].tolist() == [2, 2]
    assert reached.loc[["b50", "full"], "step"].tolist() == [8, 2]
