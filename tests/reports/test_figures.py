"""Each figure from a hand-made study: what is drawn, from what, and that nothing is drawn from nothing."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from dlgbench import (
    Ablation,
    Claim,
    Recipe,
    Run,
    at_least,
    at_most,
    difference,
    log_ratio,
    value,
    within,
)
from dlgbench.ablation import named
from dlgbench.reports import (
    averages,
    boundaries,
    curves,
    depth,
    dropout,
    exemplars,
    fits,
    forest,
    heatmap,
    ladders,
    layers,
    minima,
    noise,
    paired,
    paths,
    pictures,
    predictions,
    rates,
    samples,
    sensitivity,
    style,
    warp,
)
from dlgbench.reports.page import FIGURES
from dlgbench.reports.study import Study

ABOUT = {"device": "Abacus (2 beads)"}
MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}


def study(recipe, arms, result, claims=(), **more):
    """A study whose runs `result(arm, seed)` gives as (summary, history), or None for a diverged one; `tuned(arm, lr)` gives scores."""
    tuned = more.pop("tuned", None)
    scale = {"seeds": 5, "tuning_seeds": 1}
    ablation = named(
        Ablation(
            "What?", "Slide", Recipe(**recipe), arms, claims, {"cpu": scale, "gpu": scale}, **more
        ),
        Path("ablations/mine/test_what.py"),
    )
    runs = {}
    for cell in ablation.cells("cpu"):
        if cell.purpose == "tune":
            runs[cell] = Run(
                "finished", {ablation.select: tuned(cell.arm, cell.setting["lr"])}, (), ABOUT
            )
        elif (found := result(cell.arm, cell.seed)) is None:
            runs[cell] = Run("diverged", {"seconds": 1.0}, (), ABOUT)
        else:
            runs[cell] = Run("finished", found[0], tuple(found[1]), ABOUT)
    return Study(ablation, "cpu", runs)


def curve(name, values):
    return [(name, place, float(x)) for place, x in enumerate(values, 1)]


def drawn(module, of, folder):
    """The drawings by name, each written once; warnings are errors."""
    found = {drawing.name: drawing for drawing in module.draw(of)}
    for drawing in found.values():
        assert "Device: Abacus (2 beads)." in drawing.caption
        assert "n = " in drawing.caption
        assert "Scale: cpu." in drawing.caption
        style.write(drawing, folder)
    return found


def test_a_study_with_nothing_recorded_has_no_figure():
    empty = study(MLP, {"a": {}, "b": {"lr": 0.2}}, lambda *_: ({"seconds": 1.0}, []))
    assert [drawing.name for draw in FIGURES for drawing in draw(empty)] == []


def test_boundaries_hold_the_scores_of_the_first_seed_at_their_places(tmp_path):
    ticks = np.linspace(-2, 2, 33)
    plane = (ticks[None, :] + 10 * ticks[:, None]).ravel()  # row by row from the bottom: x1 + 10 x2

    def result(arm, seed):
        scores = (
            curve("boundary/score", plane if arm == "line" else np.ones(33 * 33))
            if seed == 0
            else []
        )
        return {"boundary/low": -2.0 - seed, "boundary/high": 2.0 + seed, "test/error": 0.1}, scores

    figure = drawn(
        boundaries,
        study(MLP | {"data": "xor"}, {"line": {}, "flat": {"lr": 0.2}}, result),
        tmp_path,
    )["boundaries"]
    assert "training points" not in figure.caption
    line = figure.data[figure.data["arm"] == "line"]
    assert line["score"].to_numpy() == pytest.approx((line["x"] + 10 * line["y"]).to_numpy())
    assert [ax.get_title(loc="left") for ax in figure.figure.axes] == [
        "line\ntest error 10.0 %",
        "flat\ntest error 10.0 %\nall one class",
    ]


def test_boundaries_name_only_the_data_that_are_drawn(tmp_path):
    def result(arm, seed):
        return {"boundary/low": -2.0, "boundary/high": 2.0}, curve(
            "boundary/score", [-1, 1, -1, 1]
        ) if arm == "plane" and seed == 0 else []

    of = study(MLP | {"data": "xor"}, {"plane": {}, "digits": {"data": "mnist5k"}}, result)
    assert of.data == "xor, mnist5k"
    assert "Data: xor. Scale" in drawn(boundaries, of, tmp_path)["boundaries"].caption


def test_boundaries_show_the_training_points_that_were_recorded(tmp_path):
    points = {"x": [-1.0, 0.0, 1.0], "y": [0.5, 0.0, -0.5], "class": [0.0, 1.0, 1.0]}
    history = [
        *curve("boundary/score", np.ones(9)),
        *(
            point
            for name, values in points.items()
            for point in curve(f"boundary/point_{name}", values)
        ),
    ]
    of = study(
        MLP | {"data": "xor"},
        {"a": {}},
        lambda _, seed: (
            {"boundary/low": -2.0, "boundary/high": 2.0},
            history if seed == 0 else [],
        ),
    )
    figure = drawn(boundaries, of, tmp_path)["boundaries"]
    assert "dots are training points" in figure.caption
    assert figure.data.loc[
        figure.data["kind"] == "point", ["x", "y", "class"]
    ].to_numpy().T.tolist() == list(points.values())
    orange, blue = figure.figure.axes[0].collections[-2:]
    assert orange.get_offsets().tolist() == [[-1, 0.5]]
    assert blue.get_offsets().tolist() == [[0, 0], [1, -0.5]]


def test_warped_grids_of_two_and_three_units(tmp_path):
    def result(arm, seed):
        units = 2 if arm == "two" else 3
        maps = [
            point
            for k in range(units)
            for point in curve(f"warp/unit_{k}", np.arange(289) * (k + 1))
        ]
        return {"perfect": float(seed == 0)}, maps + curve(
            "warp/class", np.arange(289) % 2
        ) if seed == 0 else []

    figure = drawn(
        warp, study(MLP | {"data": "xor"}, {"two": {}, "three": {"lr": 0.2}}, result), tmp_path
    )["warp"]
    three = figure.data[figure.data["arm"] == "three"]
    assert (three["unit_2"] == 3 * three["unit_0"]).all()
    assert figure.data.loc[figure.data["arm"] == "two", "unit_2"].isna().all()
    assert [ax.get_title(loc="left") for ax in figure.figure.axes] == [
        "two\nperfect in 20% of seeds",
        "three\nperfect in 20% of seeds",
    ]


def test_a_warped_grid_on_one_spot_is_called_dead(tmp_path):
    maps = [point for k in (0, 1) for point in curve(f"warp/unit_{k}", np.full(4, 0.5))] + curve(
        "warp/class", np.zeros(4)
    )
    of = study(
        MLP | {"data": "xor"},
        {"relu": {}},
        lambda _, seed: ({"perfect": 0.0}, maps if seed == 0 else []),
    )
    (ax,) = drawn(warp, of, tmp_path)["warp"].figure.axes
    assert ax.get_title(loc="left") == "relu\nperfect in 0% of seeds\ndead: all on one point"


def test_paths_begin_at_the_start_and_a_runaway_is_cut_off(tmp_path):
    tracks = {"down": [(0.5, 0.5), (0.1, 0.2)], "away": [(-5.0, 5.0), (80.0, -80.0), (1e30, 1e30)]}

    def result(arm, _seed):
        return {"val/distance": 1.0}, [
            point
            for i in (0, 1)
            for point in curve(f"path/{i}", [track[i] for track in tracks[arm]])
        ]

    recipe = {
        "model": "function",
        "task": "minimization",
        "steps": 20,
        "model_args": {"kappa": 10.0, "start": (2.0, 1.0)},
    }
    figure = drawn(
        paths, study(recipe, {"down": {}, "away": {"optimizer": "adam"}}, result), tmp_path
    )["paths"]
    assert figure.data.loc[figure.data["arm"] == "down", ["x", "y"]].to_numpy().tolist() == [
        [2, 1],
        [0.5, 0.5],
        [0.1, 0.2],
    ]
    (ax,) = figure.figure.axes
    assert max(map(abs, ax.get_xlim())) < 10
    assert {
        line.get_label(): len(line.get_xdata())
        for line in ax.get_lines()
        if line.get_label().startswith("away")
    }.popitem()[1] == 3


def test_a_path_that_comes_back_is_whole_and_twins_share_a_line(tmp_path):
    tracks = {
        "straight": [(0.5, 0.5), (0.1, 0.2)],
        "swinging": [(1.5, -9.0), (1.0, 5.0), (0.1, 0.1)],
        "twin": [(1.5, -9.0), (1.0, 5.0), (0.1, 0.1 + 1e-7)],
    }

    def result(arm, _seed):
        return {"val/distance": 1.0}, [
            point
            for i in (0, 1)
            for point in curve(f"path/{i}", [track[i] for track in tracks[arm]])
        ]

    recipe = {
        "model": "function",
        "task": "minimization",
        "steps": 20,
        "model_args": {"kappa": 10.0, "start": (2.0, 1.0)},
    }
    arms = {"straight": {}, "swinging": {"optimizer": "adam"}, "twin": {"optimizer": "rmsprop"}}
    figure = drawn(paths, study(recipe, arms, result), tmp_path)["paths"]
    lines = {
        line.get_label().split(", f =")[0]: line
        for line in figure.figure.axes[0].get_lines()
        if not line.get_label().startswith("_")
    }
    assert {label: len(line.get_xdata()) for label, line in lines.items()} == {
        "straight": 3,
        "swinging, twin": 4,
    }
    assert set(figure.data["arm"]) == set(tracks)


def test_functions_of_the_maps_are_the_models():
    at = np.array(3.0), np.array(0.5)
    assert paths.FUNCTIONS["beale"][0](*at, 1.0) == 0  # its minimum
    assert paths.FUNCTIONS["rosenbrock"][0](*at, 1.0) == 4 + 100 * 8.5**2
    assert paths.FUNCTIONS["quadratic"][0](*at, 100.0) == 0.5 * (9 + 100 * 0.25)


def test_the_usable_range_is_the_run_of_rates_around_the_best(tmp_path):
    scores = {0.01: 0.105, 0.03: 0.2, 0.1: 0.109, 0.3: 0.1, 1.0: math.inf}
    of = study(
        MLP,
        {"a": {}, "lost": {"optimizer": "adam"}},
        lambda *_: ({}, []),
        tune={"lr": tuple(scores)},
        tuned=lambda arm, lr: scores[lr] if arm == "a" else math.inf,
    )
    figure = drawn(sensitivity, of, tmp_path)["sensitivity"]
    assert set(figure.data["arm"]) == {"a"}  # an arm that always diverged has no range
    assert figure.data.loc[figure.data["usable"], "lr"].tolist() == [0.1, 0.3]
    assert figure.figure.axes[1].get_yticklabels()[0].get_text() == "a   × 3"
    many = {
        f"a{k}": {"batch_size": 10 + k} for k in range(9)
    }  # two rows of panels, nothing diverged: the layout holds
    drawn(
        sensitivity,
        study(
            MLP,
            many,
            lambda *_: ({}, []),
            tune={"lr": tuple(scores)},
            tuned=lambda _, lr: min(scores[lr], 1.0),
        ),
        tmp_path,
    )
    small = study(
        MLP, {"a": {}}, lambda *_: ({}, []), tune={"lr": (0.1, 0.2)}, tuned=lambda *_: 0.1
    )
    assert sensitivity.draw(small) == []


def test_an_arm_that_no_rate_trains_has_no_usable_range(tmp_path):
    scores = {"dead": [0.9, 0.9, 0.9, 0.89, 0.9], "good": [0.9, 0.3, 0.1, 0.3, 0.9]}
    rates_ = (0.01, 0.03, 0.1, 0.3, 1.0)

    def figure(least):
        of = study(
            MLP,
            {"dead": {}, "good": {"optimizer": "adam"}},
            lambda *_: ({}, []),
            tune={"lr": rates_},
            tuned=lambda arm, lr: max(least, scores[arm][rates_.index(lr)]),
        )
        return drawn(sensitivity, of, tmp_path)["sensitivity"]

    one = figure(0.0)
    assert set(one.data.loc[one.data["usable"], "arm"]) == {"good"}
    assert [label.get_text() for label in one.figure.axes[1].get_yticklabels()] == [
        "dead   no rate gains",
        "good   × 1",
    ]
    assert "No rate gains: the arm's best is above 0.75 of the worst" in one.caption
    assert set((flat := figure(0.8)).data.loc[flat.data["usable"], "arm"]) == {
        "dead",
        "good",
    }  # where all are alike, there is nothing to compare with


def test_the_arm_of_all_comparisons_is_in_every_panel_of_the_rates(tmp_path):
    arms = {f"a{k}": {"batch_size": 10 + k} for k in range(9)}
    claims = [
        Claim(f"{arm} helps", difference("test/error", arm, "a0"), at_least(0))
        for arm in ("a1", "a7")
    ]
    of = study(
        MLP,
        arms,
        lambda *_: ({"test/error": 0.1}, []),
        claims,
        tune={"lr": (0.01, 0.03, 0.1, 0.3, 1.0)},
        tuned=lambda _, lr: lr,
    )
    figure = drawn(sensitivity, of, tmp_path)["sensitivity"]
    names = [
        [label.get_text().split()[0] for label in ax.get_yticklabels()]
        for ax in figure.figure.axes[1::2]
    ]
    assert names == [["a0", "a1", "a2", "a3", "a4", "a5"], ["a0", "a6", "a7", "a8"]]
    assert {ax.get_lines()[0].get_color() for ax in figure.figure.axes[::2]} == {style.INK}


def test_arms_that_are_rates_make_one_curve(tmp_path):
    arms = {f"lr_{rate:g}": {"lr": rate} for rate in (0.001, 0.01, 0.1, 1.0, 10.0)}
    of = study(
        MLP, arms, lambda arm, seed: None if arm == "lr_10" and seed else ({"test/error": 0.1}, [])
    )
    data = drawn(rates, of, tmp_path)["rates"].data.set_index("lr")
    assert data["n"].tolist() == [5, 5, 5, 5, 1]
    assert data["diverged"].tolist() == [0, 0, 0, 0, 4]
    assert (
        rates.draw(
            study(
                MLP, arms | {"other": {"optimizer": "adam"}}, lambda *_: ({"test/error": 0.1}, [])
            )
        )
        == []
    )


def test_paired_dots_mark_the_censored(tmp_path):
    def result(arm, seed):
        return (
            {"steps_to_target/censored_at": 20.0}
            if arm == "slow" and seed < 2
            else {"steps_to_target": 5.0 + seed}
        ), []

    figure = drawn(
        paired,
        study(MLP | {"target": {"val/error": 0.1}}, {"quick": {}, "slow": {"lr": 0.01}}, result),
        tmp_path,
    )["paired"]
    assert figure.data.groupby(["arm", "censored"])["steps"].apply(list).to_dict() == {
        ("quick", False): [5, 6, 7, 8, 9],
        ("slow", False): [7, 8, 9],
        ("slow", True): [20, 20],
    }
    assert "2 runs; the budget is a bound" in figure.caption
    assert "val/error ≤ 0.1" in figure.caption


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
    trick, _, layers_ = arm.partition("_")
    error = {"plain": 0.05 * int(layers_), "norm": 0.1, "tanh": 0.9}[trick]
    if arm == "plain_10" and seed == 1:
        return None
    return {"test/error": error, "train/error": error / 2}, [
        (name, step, error / step) for name in ("val/error", "train/loss") for step in (1, 2)
    ]


def test_error_by_depth_and_the_frontier_of_each_trick(tmp_path):
    claims = [Claim("It trains", value("test/error", "norm_10"), at_most(0.3))]
    of = study(MLP, DEEP, deep, claims)
    assert ladders.ladders(of)["plain"] == {2: "plain_2", 5: "plain_5", 10: "plain_10"}
    found = drawn(depth, of, tmp_path)
    rows = found["depth"].data.set_index(["metric", "trick", "depth"])["mean"]
    assert rows["train/error", "plain", 5] == pytest.approx(0.125)
    assert rows["test/error", "plain", 10] == pytest.approx(0.5)
    assert set(found["depth_curves"].data["arm"]) == set(DEEP)
    heat = drawn(heatmap, of, tmp_path)["heatmap"]
    assert heat.data.loc[heat.data["frontier"], ["trick", "depth"]].to_numpy().tolist() == [
        ["plain", 5],
        ["norm", 10],
    ]
    assert math.isinf(
        heat.data.set_index(["trick", "depth"]).loc[("plain", 10), "test/error"]
    )  # diverged once: the worst rank
    assert "at most 0.3" in heat.caption
    other = [
        Claim("It is perfect", value("train/error", "norm_10"), at_most(0.3)),
        Claim("It helps", difference("test/error", "plain_10", "norm_10"), at_least(0)),
    ]
    assert (
        heatmap.draw(study(MLP, DEEP, deep, other)) == []
    )  # no claim says when a net counts as trained


def test_depth_is_read_off_the_recipe():
    assert ladders.depth(Recipe("mlp", "xor", model_args={"hidden": (4, 4, 4)})) == 3
    assert ladders.depth(Recipe("plain56", "cifar10")) == 56
    assert ladders.depth(Recipe("cifar_resnet", "cifar10", model_args={"depth": 110})) == 110
    assert ladders.depth(Recipe("linear", "xor")) is None


def test_families_of_models_are_tricks(tmp_path):
    arms = {
        f"{family}{d}": {"model": f"{family}{d}"}
        for family in ("plain", "resnet")
        for d in (20, 56)
    }
    of = study(
        MLP,
        arms,
        lambda arm, _: ({"test/error": 0.1, "train/error": 0.2 * arm.startswith("plain")}, []),
    )
    assert list(ladders.ladders(of)) == ["plain", "resnet"]
    assert set(drawn(depth, of, tmp_path)) == {"depth"}  # no curves were recorded
    assert heatmap.draw(of) == []


def test_pairs_that_differ_in_dropout_alone_share_a_panel(tmp_path):
    shapes = {"2": (8, 8), "3": (8, 8, 8)}
    arms = {
        f"{name}{d}": {"model_args.hidden": shape, **more}
        for d, shape in shapes.items()
        for name, more in (("none", {}), ("drop", {"model_args.dropout": 0.5}))
    }
    arms["odd"] = {"model_args.hidden": (8, 8), "model_args.dropout": 0.5, "identity": ("Dropout",)}
    of = study(
        MLP,
        arms,
        lambda arm, _: ({}, curve("val/error", [0.9, 0.2 if arm.startswith("none") else 0.1])),
    )
    assert dropout.pairs(of) == {
        "hidden (8, 8)": ("none2", "drop2"),
        "hidden (8, 8, 8)": ("none3", "drop3"),
    }
    figure = drawn(dropout, of, tmp_path)["dropout"]
    assert figure.data[figure.data["step"] == 2].set_index("arm")[
        "mean"
    ].to_dict() == pytest.approx({"none2": 0.2, "none3": 0.2, "drop2": 0.1, "drop3": 0.1})


def test_the_axis_of_dropout_holds_the_bands(tmp_path):
    arms = {
        f"{name}{d}": {"model_args.hidden": (8,) * d, "model_args.dropout": p}
        for d in (2, 3)
        for name, p in (("none", 0.0), ("drop", 0.5))
    }
    of = study(
        MLP,
        arms,
        lambda arm, seed: (
            {},
            curve(
                "val/error",
                [
                    0.9,
                    0.3,
                    0.2 + 0.04 * seed + 0.001 * arm.startswith("none"),
                    *[0.2 + 0.04 * seed] * 3,
                ],
            ),
        ),
    )
    figure = drawn(dropout, of, tmp_path)["dropout"]
    late = figure.data[figure.data["step"] > 1]
    low, high = figure.figure.axes[0].get_ylim()
    assert low < late["low"].min() < late["high"].max() < high < 0.5


def test_samples_stand_at_their_numbers(tmp_path):
    errors = (0.5, 0.4, 0.3, 0.25, 0.22, 0.2, 0.2)
    of = study(
        MLP,
        {"drop": {"model_args.dropout": 0.5}},
        lambda *_: ({"averaging/once": 0.21}, curve("averaging/by_samples", errors)),
    )
    data = drawn(samples, of, tmp_path)["samples"].data
    assert data[data["k"] > 0].set_index("k")["mean"].to_dict() == pytest.approx(
        dict(zip((1, 2, 5, 10, 20, 50, 100), errors, strict=True))
    )
    assert data.loc[data["k"] == 0, "mean"].tolist() == pytest.approx([0.21])


def test_noise_falls_along_the_batch_sizes_and_equal_arms_share_a_line(tmp_path):
    deviations = [8**-0.5 * 2 ** (-k / 2) for k in range(5)]
    arms = {"one": {}, "other": {"lr": 0.2}}
    of = study(
        MLP,
        arms,
        lambda *_: ({"gradient_noise/slope": -0.5}, curve("gradient_noise/by_size", deviations)),
    )
    figure = drawn(noise, of, tmp_path)["noise"]
    assert figure.data["batch_size"].tolist() == [8, 16, 32, 64, 128]
    assert figure.figure.axes[0].get_legend_handles_labels()[1][0] == "one, other: slope −0.5"


def test_layers_draw_any_curve_over_the_layers(tmp_path):
    metrics = {
        "gradient/by_layer": [1e-3, 1.0],
        "dead_units/by_layer": [0.0, 0.5],
        "hierarchy/by_layer": [0.8, 0.9],
        "novel/by_layer": [1.0, 2.0],
    }
    of = study(
        MLP,
        {"a": {}},
        lambda *_: (
            {},
            [point for name, values in metrics.items() for point in curve(name, values)],
        ),
    )
    found = drawn(layers, of, tmp_path)
    assert set(found) == {"gradients", "dead_units", "hierarchy", "novel"}
    assert found["dead_units"].data["mean"].tolist() == [
        0.0,
        0.5,
    ]  # a share of 0 stands on a linear axis
    assert "Before training." in found["gradients"].caption
    of = study(MLP, {"flat": {}}, lambda *_: ({}, curve("weight_norms/by_layer", [1.0])))
    assert layers.draw(of) == []  # one layer is no curve


def test_fits_keep_the_points_in_sight(tmp_path):
    u = np.linspace(-1, 1, 201)
    history = [
        *curve("fit/u", u),
        *curve("fit/curve", 100 * u),
        *curve("fit/points_u", [-0.5, 0.5]),
        *curve("fit/points_y", [-1.0, 1.0]),
    ]
    of = study(
        MLP | {"data": "polynomial", "task": "regression"},
        {"none": {}},
        lambda _, seed: ({"test/mse": 4.0}, history if seed == 0 else []),
    )
    figure = drawn(fits, of, tmp_path)["fits"]
    assert figure.data[figure.data["kind"] == "point"]["y"].tolist() == [-1, 1]
    assert figure.figure.axes[0].get_ylim() == pytest.approx((-2.2, 2.2))
    assert figure.figure.axes[0].get_title(loc="left") == "none\nmean test MSE 4"


def test_predictions_count_the_wrong_pixels_of_the_labelled(tmp_path):
    maps = {
        "input": [0.0, 0.5, 0.5, 1.0],
        "label": [-1.0, 0.0, 1.0, 1.0],
        "class": [1.0, 0.0, 1.0, 0.0],
    }
    history = [
        point for name, values in maps.items() for point in curve(f"predictions/{name}", values)
    ]
    sides = {"predictions/count": 1.0, "predictions/height": 2.0, "predictions/width": 2.0}
    figure = drawn(
        predictions,
        study(MLP, {"net": {}}, lambda _, seed: (sides, history if seed == 0 else [])),
        tmp_path,
    )["predictions"]
    assert [ax.get_title(loc="left") for ax in figure.figure.axes] == [
        "image",
        "labels",
        "net: 33 % wrong",
    ]


def test_pictures_of_filters_and_fields(tmp_path):
    sides = {
        "filters/count": 2.0,
        "filters/channels": 1.0,
        "filters/side": 2.0,
        "filters/roughness": 1.5,
    }
    field = {"effective_field": 3.0, "effective_field/share": 0.2, "effective_field/picture": 3.0}
    history = [
        *curve("filters/weights", range(8)),
        *curve("effective_field/map", np.linspace(0, 1, 9)),
    ]
    found = drawn(
        pictures,
        study(MLP, {"net": {}}, lambda _, seed: (sides | field, history if seed == 0 else [])),
        tmp_path,
    )
    assert found["fields"].figure.axes[0].get_title(loc="left") == "net: field 15 × 15\neffective 3"
    (sheet,) = found["filters"].figure.axes[0].get_images()
    shown = sheet.get_array().filled(np.nan)
    assert shown.shape == (2, 5)
    assert shown[0, [0, 1, 3, 4]] == pytest.approx([0, 1 / 3, 0, 1 / 3])


def test_the_way_between_two_minima_and_its_ends(tmp_path):
    def result(arm, seed):
        hill = (
            np.linspace(0, 1, 21) * np.linspace(1, 0, 21) * (4 if arm == "hilly" else 0)
        )  # 1 at t = 1/2
        ends = {
            "minima/gap": 0.01 * seed,
            "minima/disagreement": 0.1,
            "minima/barrier": 1.0 if arm == "hilly" else 0.0,
        }
        return ends if arm != "none" else {}, curve(
            "minima/path", 1 + 0.1 * seed + hill
        ) if arm != "none" else []

    of = study(MLP, {"hilly": {}, "flat": {"lr": 0.2}, "none": {"lr": 0.3}}, result)
    figure = drawn(minima, of, tmp_path)["minima"]
    path = figure.data[figure.data["metric"] == "minima/path"].set_index(["arm", "t"])["mean"]
    assert path["hilly"].to_dict() == pytest.approx(
        {k / 20: 1.2 + k * (20 - k) / 100 for k in range(21)}
    )
    assert path["flat"].tolist() == pytest.approx([1.2] * 21)
    along, apart = figure.figure.axes
    assert along.get_legend_handles_labels()[1] == ["hilly: barrier 1", "flat: barrier 0"]
    assert [label.get_text() for label in apart.get_yticklabels()] == ["hilly", "flat"]
    assert apart.collections[0].get_offsets()[:, 0].tolist() == pytest.approx(
        [0, 1, 2, 3, 4]
    )  # in points


def test_exemplars_stand_in_their_places_and_another_class_is_framed(tmp_path):
    sizes = {"layers": 2, "units": 3, "images": 2, "queries": 1, "side": 2}
    same = [1.0, 0.0, 1.0, 1.0]
    lengths = {"top": 2 * 3 * 2 * 4, "query": 4, "nearest": 2 * 2 * 4}
    history = [
        point
        for name, length in lengths.items()
        for point in curve(f"exemplars/{name}", range(length))
    ] + curve("exemplars/nearest_same", same)
    summary = {f"exemplars/{name}": float(size) for name, size in sizes.items()}
    arms = {name: {"lr": 0.1 * k} for k, name in enumerate(("a", "b", "c"), 1)}
    found = drawn(
        exemplars,
        study(MLP, arms, lambda _, seed: (summary, history if seed == 0 else [])),
        tmp_path,
    )
    top = found["exemplars"].data.set_index(["arm", "layer", "unit", "rank"])
    assert set(top.index.get_level_values("arm")) == {"a", "b"}  # two arms at most
    assert top.loc[("b", 2, 1, 2)].tolist() == [
        28,
        29,
        30,
        31,
    ]  # (1, 0, 1) of (2, 3, 2), four pixels each
    assert [len(ax.get_images()) for ax in found["exemplars"].figure.axes] == [12, 12]
    ax, _ = found["neighbours"].figure.axes
    assert len(ax.get_images()) == 1 + 2 * 2
    (frame,) = ax.patches
    (framed,) = [
        image
        for image in ax.get_images()
        if image.get_extent()[0] == frame.get_x() and image.get_extent()[3] == frame.get_y()
    ]
    assert framed.get_array().ravel().tolist() == [4, 5, 6, 7]


def test_an_svg_has_dark_colours_of_its_own(tmp_path):
    of = study(MLP, {"a": {}}, lambda *_: ({"test/error": 0.1}, curve("val/error", [0.9, 0.2])))
    drawn(curves, of, tmp_path)
    svg = (tmp_path / "curves.svg").read_text()
    used = set(re.findall(r"(?:fill|stroke): (#\w{6})", svg[svg.index("</style>") :]))
    assert style.INK in used
    for light in used & set(style.DARK):
        assert f'[style*="fill: {light}"] {{fill: {style.DARK[light]} !important}}' in svg
    assert not re.search(r' d="[^"]*\.\d{3}', svg)


def test_curves_of_other_tasks(tmp_path):
    claims = [Claim("It helps", difference("test/psnr", "b", "a"), at_least(1))]
    history = [
        (name, step, 20.0 + step)
        for name in ("val/psnr", "val/mse", "train/loss")
        for step in (1, 2)
    ]
    of = study(
        MLP | {"task": "image_to_image"},
        {"a": {}, "b": {"lr": 0.2}},
        lambda *_: ({"test/psnr": 20.0}, history),
        claims,
    )
    assert set(drawn(curves, of, tmp_path)["curves"].data["metric"]) == {"val/psnr", "train/loss"}


def test_what_is_wide_and_holds_0_has_a_symlog_axis(tmp_path):
    assert averages.scaling([-0.3, 0.2, 1e-5, 0.1]) == {
        "value": "linear"
    }  # one that happens to be near 0
    assert averages.scaling([0.0, math.nan, math.inf]) == {"value": "linear"}
    assert averages.scaling([0.0, 1e-3, 1.0, 1e25]) == {"value": "symlog", "linthresh": 1e-3}
    assert averages.scaling([1e-30, 1.0, 1.0, 1e25])["linthresh"] == 1e-8
    ends = {"still": 0.0, "slow": 1e-6, "fast": 1e-3, "away": 5e25}
    claims = [Claim(f"{arm} stops", value("val/loss", arm), at_most(1e-2)) for arm in ends]
    of = study(
        MLP,
        {arm: {"lr": 0.1 * k} for k, arm in enumerate(ends, 1)},
        lambda arm, _: ({"val/loss": ends[arm]}, curve("train/loss", [1, ends[arm]])),
        claims,
    )
    (effects,) = drawn(forest, of, tmp_path)["effects"].figure.axes
    assert effects.get_xscale() == "symlog"
    assert 0 in effects.get_xticks()
    assert len(effects.get_xticks()) < 10
    near = [Claim("A/A", log_ratio("test/error", "a", "b"), within(0.7))]
    twins = study(
        MLP,
        {"a": {}, "b": {"lr": 0.2}},
        lambda arm, seed: ({"test/error": 0.1 + 1e-7 * seed * (arm == "a")}, []),
        near,
    )
    assert (
        drawn(forest, twins, tmp_path)["effects"].figure.axes[0].get_xscale() == "linear"
    )  # a logarithm already
    figure = drawn(curves, of, tmp_path)["curves"]
    assert figure.figure.axes[0].get_yscale() == "symlog"
    assert "linear near 0 and logarithmic beyond" in figure.caption


def test_panels_with_nothing_to_draw_are_left_out(tmp_path):
    def result(arm, _):
        return {"test/error": 0.1}, [
            *curve("val/error", [0.9, 0.2]),
            *curve("train/loss", [math.nan, 1.0 if arm < "a6" else math.nan]),
        ]

    figure = drawn(
        curves, study(MLP, {f"a{k}": {"batch_size": 10 + k} for k in range(9)}, result), tmp_path
    )["curves"]
    assert [ax.get_visible() for ax in figure.figure.axes] == [True, True, True, False]
    assert figure.figure.axes[1].get_xlabel() == "optimizer step"
    nothing = study(
        MLP,
        {"a": {}},
        lambda *_: (
            {},
            [*curve("val/error", [0.9, 0.2]), *curve("train/loss", [math.nan, math.nan])],
        ),
    )
    assert len(drawn(curves, nothing, tmp_path)["curves"].figure.axes) == 1
    claims = [
        Claim("It is small", value("test/error", "a"), at_most(0.2)),
        Claim("It is quick", value("val/error", "a"), at_most(0.2)),
    ]
    lost = study(
        MLP, {"a": {}}, lambda *_: ({"test/error": 0.1, "val/error": math.nan}, []), claims
    )
    assert [
        ax.get_title(loc="left") for ax in drawn(forest, lost, tmp_path)["effects"].figure.axes
    ] == ["test/error"]
