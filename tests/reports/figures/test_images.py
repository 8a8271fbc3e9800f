import numpy as np
import pytest

from dlgbench.reports.figures.images import as_picture

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}


@pytest.fixture
def study_of(make_study):
    """`study_of(arrays, summary, arms)`: a study whose first seed has the arrays."""

    def make(arrays, summary, arms=("net",)):
        def result(_, seed):
            return {"summary": summary, "arrays": {} if seed else arrays}

        return make_study(MLP, {arm: {"lr": 0.1 * k} for k, arm in enumerate(arms, 1)}, result)

    return make


def test_images_of_three_channels_are_colours_and_others_grey():
    images = np.stack([np.zeros((2, 2)), np.full((2, 2), 4.0), np.full((2, 2), 2.0)])  # (3, H, W)
    assert as_picture(images[None]).tolist() == [[[[0, 1, 0.5]] * 2] * 2]
    assert as_picture(images[None, :2]).tolist() == [[[2.0] * 2] * 2]


def test_filters_and_fields(study_of, rendered):
    arrays = {
        "filters/weights": np.arange(8.0).reshape(2, 1, 2, 2),
        "effective_field/map": np.linspace(0, 1, 9).reshape(3, 3),
    }
    summary = {"filters/roughness": 1.5, "effective_field": 3.0, "effective_field/share": 0.2}
    study = study_of(arrays, summary)
    fields = rendered("fields", study)["fields"]
    assert fields.figure.axes[0].get_title(loc="left") == "net: field 15 × 15\neffective 3"
    filters = rendered("filters", study)["filters"]
    (sheet,) = filters.figure.axes[0].get_images()
    shown = sheet.get_array().filled(np.nan)
    assert shown.shape == (2, 5)
    assert shown[0, [0, 1, 3, 4]] == pytest.approx([0, 1 / 3, 0, 1 / 3])
    assert filters.data["weight"].tolist() == list(range(8))


def test_predictions_count_the_wrong_pixels_of_the_labelled(study_of, rendered):
    arrays = {
        "predictions/input": np.array([0.0, 0.5, 0.5, 1.0]).reshape(1, 1, 2, 2),
        "predictions/label": np.array([[[-1, 0], [1, 1]]]),
        "predictions/class": np.array([[[1, 0], [1, 0]]]),
    }
    plot = rendered("predictions", study_of(arrays, {}))["predictions"]
    titles = [ax.get_title(loc="left") for ax in plot.figure.axes]
    assert titles == ["image", "labels", "net: 33 % wrong"]


def test_exemplars_stand_in_their_places_and_another_class_is_framed(study_of, rendered):
    arrays = {
        "exemplars/top": np.arange(48.0).reshape(2, 3, 2, 1, 2, 2),
        "exemplars/query": np.arange(4.0).reshape(1, 1, 2, 2),
        "exemplars/nearest": np.arange(16.0).reshape(2, 1, 2, 1, 2, 2),
        "exemplars/nearest_same": np.array([[[1, 0]], [[1, 1]]]),
    }
    study = study_of(arrays, {}, arms=("a", "b", "c"))
    exemplars = rendered("exemplars", study)["exemplars"]
    top = exemplars.data.set_index(["arm", "layer", "unit", "rank"])
    assert set(top.index.get_level_values("arm")) == {"a", "b"}  # two arms at most
    assert top.loc[("b", 2, 1, 2)].tolist() == [28, 29, 30, 31]  # (1, 0, 1) of (2, 3, 2)
    assert [len(ax.get_images()) for ax in exemplars.figure.axes] == [12, 12]
    ax, _ = rendered("neighbours", study)["neighbours"].figure.axes
    assert len(ax.get_images()) == 1 + 2 * 2
    (frame,) = ax.patches
    corners = {tuple(image.get_extent()[::3]): image for image in ax.get_images()}
    framed = corners[frame.get_x(), frame.get_y()]
    assert framed.get_array().ravel().tolist() == [4, 5, 6, 7]
