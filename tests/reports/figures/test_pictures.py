import numpy as np
import pytest

from dlgbench.reports.figures.pictures import sheet

NET = {"model": "encoder_decoder", "data": "photographs", "task": "image_to_image", "steps": 20}


@pytest.fixture
def study_of(make_study):
    """`study_of(arrays, summary, arms)`: a study whose first seed has the arrays."""

    def make(arrays, summary, arms):
        def result(_, seed):
            return {"summary": summary, "arrays": {} if seed else arrays}

        return make_study(NET, arms, result, select="val/mse")

    return make


def test_the_difference_of_both_maps_is_drawn(study_of, rendered):
    dense = np.arange(18.0).reshape(2, 3, 3)
    arrays = {
        "sliding/image": np.zeros((1, 6, 6)),
        "sliding/dense": dense,
        "sliding/windows": dense - 0.5,
    }
    study = study_of(arrays, {"sliding/error": 0.5}, {"net": {}})
    axes = rendered("sliding_windows", study)["sliding_windows"].figure.axes
    titles = [ax.get_title(loc="left") for ax in axes]
    assert titles[0] == "net: canvas 6 × 6"
    assert titles[3] == "difference: 0.5 at most"
    shown = [ax.get_images()[0].get_array() for ax in axes]
    assert np.array_equal(shown[1], dense[1])  # the class that wins in the middle
    assert np.array_equal(shown[3], np.full((3, 3), 0.5))


def test_targets_are_drawn_where_they_are_other_images(study_of, rendered):
    x = np.linspace(0, 1, 2 * 16).reshape(2, 1, 4, 4)
    arrays = {"images/input": 3 * x - 1, "images/output": x, "images/target": x}
    arms = {"a": {"model_args.code": 2}, "b": {"model_args.code": 8}}
    study = study_of(arrays, {"test/mse": 0.5}, arms)
    axes = rendered("image_to_image", study)["image_to_image"].figure.axes
    rows = [ax.get_ylabel() for ax in axes[::2]]
    assert rows == ["input", "a\nmse 0.5", "b\nmse 0.5"]
    other = study_of(arrays | {"images/target": x[::-1] ** 2}, {"test/mse": 0.5}, arms)
    axes = rendered("image_to_image", other)["image_to_image"].figure.axes
    assert axes[2].get_ylabel() == "target"
    line = rendered("code_sizes", study)["code_sizes"].data
    assert line["code"].tolist() == [2, 8]


def test_bands_stand_on_one_sheet(study_of, rendered):
    haar = [np.zeros((4, 4))] * 3 + [np.zeros((2, 2))] * 3 + [np.arange(4.0).reshape(2, 2)]
    whole = sheet(haar)
    assert whole.shape == (8, 8)
    assert whole[:2, :2].ravel() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert whole[7, 7] == 0.5
    laplacian = sheet([np.ones((4, 4)), np.ones((2, 2)), np.ones((1, 1))])
    assert laplacian.shape == (7, 5)
    assert laplacian[0, 0] == 1
    arrays = {f"pyramid/{k}": np.ones((1, 1, 4, 4)) for k in ("image", "coarse", "lost")}
    arrays |= {"pyramid/band_0": np.ones((1, 1, 4, 4)), "pyramid/band_1": np.ones((1, 1, 2, 2))}
    summary = {"pyramid/lost_all": 0.25, "pyramid/error": 1e-15}
    plot = rendered("pyramids", study_of(arrays, summary, {"net": {}}))["pyramids"]
    titles = [ax.get_title(loc="left") for ax in plot.figure.axes]
    assert titles[1] == "2 bands, put together: 1e-15"
    assert titles[3] == "lost: 25 % of the variance"
