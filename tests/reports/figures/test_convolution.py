import numpy as np
import pytest

from dlgbench.reports.figures import convolution

NET = {"model": "pooled_convnet", "data": "mnist5k", "steps": 20}
PLACED = {"data": "mnist5k_placed"}
MLP = {"model": "mlp"}
ARMS = {
    f"{kind}_{place}{n}": changes | data | {"data_args.train": n}
    for kind, changes in (("full", MLP), ("shared", {}))
    for place, data in (("", {}), ("placed_", PLACED))
    for n in (300, 1000)
}


def test_layers_as_matrices(make_study, rendered):
    band = np.array([[1, 2, 0], [0, 1, 2]], np.float32)
    matrices = {"full": 1 + np.arange(6, dtype=np.float32).reshape(2, 3)}
    matrices |= {"local": matrices["full"] * (band > 0), "shared": band}
    arrays = {f"connectivity/{name}": matrix for name, matrix in matrices.items()}
    recipe = {"model": "linear", "steps": 0, "probes": ("connectivity",)}
    study = make_study(recipe, {"layers": {}}, lambda *_: {"arrays": arrays})
    plot = rendered("connectivity", study)["connectivity"]
    titles = [ax.get_title(loc="left").splitlines()[-1] for ax in plot.figure.axes]
    assert titles == ["6 weights", "4 weights", "2 weights"]
    drawn = plot.data.pivot_table(index="row", columns="column", values="weight", aggfunc=list)
    assert drawn.loc[0, 2] == [3, 0, 0]
    assert "from 3 inputs (columns) to 2 outputs" in plot.caption


def test_error_by_number_of_training_images(make_study, rendered):
    def result(arm, seed):
        if arm == "full_300" and not seed:
            return None
        error = 30 / ARMS[arm]["data_args.train"]
        return {"summary": {"test/error": 3 * error if "placed" in arm else error}}

    study = make_study(NET, ARMS, result)
    assert convolution.by_number(study)["full_placed_300"] == ("full", "mnist5k_placed", 300)
    plot = rendered("images", study)["images"]
    rows = plot.data.set_index(["kind", "data", "images"])
    assert rows.loc[("shared", "mnist5k", 300), "mean"] == pytest.approx(0.1)
    assert rows.loc[("full", "mnist5k_placed", 1000), "mean"] == pytest.approx(0.09)
    assert rows.loc[("full", "mnist5k", 300), "n"] == 4
    assert [ax.get_title(loc="left") for ax in plot.figure.axes] == ["mnist5k", "mnist5k_placed"]
    assert "Left out: 1 diverged run (full_300)." in plot.caption


def test_arms_that_tune_something_else_are_of_another_kind(make_study):
    arms = {name: {"data_args.train": n} for name, n in (("none_n300", 300), ("none_n1000", 1000))}
    arms |= {"decay_n300": {"data_args.train": 300}}
    tune = {arm: {"lr": (0.1, 0.2)} for arm in arms}
    tune["decay_n300"]["weight_decay"] = (0.1,)

    def result(*_):
        return {"summary": {"test/error": 0.1}}

    study = make_study(NET, arms, result, tuned=lambda *_: 0.1, tune=tune)
    kinds = {arm: kind for arm, (kind, *_) in convolution.by_number(study).items()}
    assert kinds == {"none_n300": "none", "none_n1000": "none", "decay_n300": "decay"}


def test_no_error_by_images_where_the_number_is_one(make_study, drawn):
    arms = {name: changes for name, changes in ARMS.items() if name.endswith("300")}
    study = make_study(NET, arms, lambda *_: {"summary": {"test/error": 0.1}})
    assert drawn("images", study) == {}


def test_accuracy_kept_by_shift(make_study, rendered, drawn):
    arms = {
        f"{pooling}{k}": {"model_args.pooling": pooling, "model_args.windows": (1, k)}
        for pooling in ("max", "average", "subsample", "blur")
        for k in (2, 5)
    }

    def result(arm, seed):
        rate = {"max": 0.1, "average": 0.1, "blur": 0.1, "subsample": 0.2}[arm[:-1]]
        return {"summary": {f"shifts/kept_{d}": 1 - rate * d + 0.01 * seed for d in (1, 2, 3)}}

    study = make_study(NET | {"probes": ("shifts",)}, arms, result)
    plot = rendered("shifts", study)["shifts"]
    means = plot.data.set_index(["arm", "pixels"])["mean"]
    assert means["subsample5", 2] == pytest.approx(0.62)
    assert len(plot.figure.axes) == 2
    assert drawn("shifts", make_study(NET, arms, lambda *_: None)) == {}
