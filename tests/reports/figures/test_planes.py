import numpy as np
import pytest

from dlgbench.reports.figures import planes

XOR = {"model": "mlp", "data": "xor", "steps": 20}
SQUARE = np.array([-2.0, 2.0, -2.0, 2.0])
MINIMIZATION = {
    "model": "function",
    "task": "minimization",
    "steps": 20,
    "model_args": {"kappa": 10.0, "start": (2.0, 1.0)},
}


def test_boundaries_hold_the_scores_of_the_first_seed_at_their_places(make_study, rendered):
    xs, ys = np.linspace(-2, 2, 33), np.linspace(-1, 3, 33)
    plane = xs[None, :] + 10 * ys[:, None]  # row by row from the bottom: x + 10 y

    def result(arm, seed):
        scores = plane if arm == "line" else np.ones((33, 33))
        arrays = {"boundary/score": scores, "boundary/extent": np.array([-2.0, 2.0, -1.0, 3.0])}
        return {"summary": {"test/error": 0.1}, "arrays": arrays if seed == 0 else {}}

    study = make_study(XOR, {"line": {}, "flat": {"lr": 0.2}}, result)
    plot = rendered("boundaries", study)["boundaries"]
    assert "training points" not in plot.caption
    line = plot.data[plot.data["arm"] == "line"]
    assert line["score"].to_numpy() == pytest.approx((line["x"] + 10 * line["y"]).to_numpy())
    assert [ax.get_title(loc="left") for ax in plot.figure.axes] == [
        "line\ntest error 10.0 %",
        "flat\ntest error 10.0 %\nall one class",
    ]


def test_boundaries_show_their_training_points_and_name_their_data_alone(make_study, rendered):
    points, classes = np.array([[-1, 0.5], [0, 0], [1, -0.5]]), np.array([0, 1, 1])
    arrays = {
        "boundary/score": np.ones((3, 3)),
        "boundary/extent": SQUARE,
        "boundary/points": points,
        "boundary/point_class": classes,
    }

    def result(arm, seed):
        return {"arrays": arrays if arm == "plane" and seed == 0 else {}}

    study = make_study(XOR, {"plane": {}, "digits": {"data": "mnist5k"}}, result)
    assert study.data == ("xor", "mnist5k")
    plot = rendered("boundaries", study)["boundaries"]
    assert "dots are training points" in plot.caption
    assert "Data: xor. Scale" in plot.caption
    rows = plot.data.loc[plot.data["kind"] == "point", ["x", "y", "class"]].to_numpy()
    assert rows.tolist() == [[-1, 0.5, 0], [0, 0, 1], [1, -0.5, 1]]
    orange, blue = plot.figure.axes[0].collections[-2:]
    assert orange.get_offsets().tolist() == [[-1, 0.5]]
    assert blue.get_offsets().tolist() == [[0, 0], [1, -0.5]]


def test_warped_grids_of_two_and_three_units_and_of_a_spot(make_study, rendered):
    grid = np.arange(289.0).reshape(17, 17)
    units = {"two": 2, "three": 3, "dead": 2}

    def result(arm, seed):
        values = np.stack([grid * (k + 1) for k in range(units[arm])], -1)
        values = np.full_like(values, 0.5) if arm == "dead" else values
        arrays = {"warp/units": values, "warp/class": np.arange(289).reshape(17, 17) % 2}
        return {"summary": {"perfect": float(seed == 0)}, "arrays": {} if seed else arrays}

    arms = {arm: {"lr": 0.1 * k} for k, arm in enumerate(units, 1)}
    plot = rendered("warp", make_study(XOR, arms, result))["warp"]
    three = plot.data[plot.data["arm"] == "three"]
    assert (three["unit_2"] == 3 * three["unit_0"]).all()
    assert plot.data.loc[plot.data["arm"] == "two", "unit_2"].isna().all()
    assert [ax.get_title(loc="left") for ax in plot.figure.axes] == [
        "two\nperfect in 20% of seeds",
        "three\nperfect in 20% of seeds",
        "dead\nperfect in 20% of seeds\ndead: all on one point",
    ]


@pytest.fixture
def path_study(make_study, curve):
    def make(tracks, arms):
        def result(arm, _seed):
            x, y = zip(*tracks[arm], strict=True)
            return {"history": curve("path/0", x) + curve("path/1", y)}

        return make_study(MINIMIZATION, arms, result)

    return make


def test_paths_begin_at_the_start_and_a_runaway_is_cut_off(path_study, rendered):
    tracks = {"down": [(0.5, 0.5), (0.1, 0.2)], "away": [(-5.0, 5.0), (80.0, -80.0), (1e30, 1e30)]}
    study = path_study(tracks, {"down": {}, "away": {"optimizer": "adam"}})
    plot = rendered("paths", study)["paths"]
    down = plot.data.loc[plot.data["arm"] == "down", ["x", "y"]].to_numpy()
    assert down.tolist() == [[2, 1], [0.5, 0.5], [0.1, 0.2]]
    (ax,) = plot.figure.axes
    assert max(map(abs, ax.get_xlim())) < 10
    (away,) = [line for line in ax.get_lines() if line.get_label().startswith("away")]
    assert len(away.get_xdata()) == 3


def test_a_path_that_comes_back_is_whole_and_twins_share_a_line(path_study, drawn):
    tracks = {
        "straight": [(0.5, 0.5), (0.1, 0.2)],
        "swinging": [(1.5, -9.0), (1.0, 5.0), (0.1, 0.1)],
        "twin": [(1.5, -9.0), (1.0, 5.0), (0.1, 0.1 + 1e-7)],
    }
    arms = {"straight": {}, "swinging": {"optimizer": "adam"}, "twin": {"optimizer": "rmsprop"}}
    plot = drawn("paths", path_study(tracks, arms))["paths"]
    lines = [line for line in plot.figure.axes[0].get_lines() if ", f =" in line.get_label()]
    lengths = {line.get_label().split(", f =")[0]: len(line.get_xdata()) for line in lines}
    assert lengths == {"straight": 3, "swinging, twin": 4}
    assert set(plot.data["arm"]) == set(tracks)


def test_functions_of_the_maps_are_the_models():
    at = np.array(3.0), np.array(0.5)
    assert planes.FUNCTIONS["beale"].of(*at, 1.0) == 0  # its minimum
    assert planes.FUNCTIONS["rosenbrock"].of(*at, 1.0) == 4 + 100 * 8.5**2
    assert planes.FUNCTIONS["quadratic"].of(*at, 100.0) == 0.5 * (9 + 100 * 0.25)
    for function in planes.FUNCTIONS.values():
        assert function.of(*map(np.array, function.at), 100.0) == 0


def test_fits_keep_the_points_in_sight(make_study, rendered):
    u = np.linspace(-1, 1, 201)
    curve, points = np.stack([u, 100 * u], 1), np.array([[-0.5, -1.0], [0.5, 1.0]])

    def result(_, seed):
        arrays = {"fit/curve": curve, "fit/points": points}
        return {"summary": {"test/mse": 4.0}, "arrays": {} if seed else arrays}

    recipe = {"model": "mlp", "data": "polynomial", "task": "regression", "steps": 20}
    plot = rendered("fits", make_study(recipe, {"none": {}}, result))["fits"]
    assert plot.data[plot.data["kind"] == "point"]["y"].tolist() == [-1, 1]
    (ax,) = plot.figure.axes
    assert ax.get_ylim() == pytest.approx((-2.2, 2.2))
    assert ax.get_title(loc="left") == "none\nmean test MSE 4"
    assert "the truth" in ax.get_legend_handles_labels()[1]  # sin(pi u) is known
