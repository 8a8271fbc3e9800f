import numpy as np
import pytest

RECIPE = {"model": "conv_stack", "steps": 0}
SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@pytest.fixture
def study_of(make_study):
    """`study_of(results)`: a study of arms with a summary and, of the first seed, arrays."""

    def make(results):
        def result(arm, seed):
            summary, arrays = results[arm]
            return {"summary": summary, "arrays": {} if seed else arrays}

        arms = {arm: {"model_args.channels": k} for k, arm in enumerate(results, 1)}
        return make_study(RECIPE, arms, result)

    return make


def titles(plot):
    return [ax.get_title(loc="left") for ax in plot.figure.axes if ax.get_visible()]


def test_kernels_stand_beside_sobels_and_pictures_beside_its_edges(study_of, rendered):
    picture = np.arange(16.0).reshape(4, 4)
    arrays = {"kernel": 0.5 * SOBEL, "sobel": SOBEL, "photograph": picture, "edges": picture - 8}
    arrays |= {"response": picture / 2 - 4}
    arrays = {f"edge_filter/{name}": array for name, array in arrays.items()}
    summary = {"edge_filter/kernel_error": 1.0, "edge_filter/picture_error": 0.5}
    study = study_of({"half": (summary, arrays)})
    plot = rendered("edge_kernels", study)["edge_kernels"]
    assert titles(plot) == ["half\nlargest error 1", "Sobel\nlargest error 0"]
    numbers = [[text.get_text() for text in ax.texts] for ax in plot.figure.axes[:2]]
    assert [row[:3] for row in numbers] == [["-0.50", "0.00", "0.50"], ["-1.00", "0.00", "1.00"]]
    plot = rendered("edge_pictures", study)["edge_pictures"]
    assert [title.splitlines() for title in titles(plot)] == [
        ["photograph"],
        ["its edges by Sobel", "relative error 0"],
        ["half", "relative error 0.5"],
    ]
    assert len(plot.data) == 3 * 16


def test_many_fields_are_a_table_and_few_a_drawing(study_of, rendered):
    def fields(sides):
        metrics = ("receptive_field", "receptive_field/arithmetic", "receptive_field/stride")
        return {
            f"net{s}": (dict(zip(metrics, (s, s + (s == 20), 1), strict=True)), {}) for s in sides
        }

    many, few = study_of(fields(range(8, 24))), study_of(fields(range(5, 8)))
    assert "field_table" not in rendered("field_table", few)
    assert "receptive_fields" in rendered("receptive_fields", few)
    assert not rendered("receptive_fields", many)
    plot = rendered("field_table", many)["field_table"]
    texts = [text.get_text() for text in plot.figure.axes[0].texts]
    assert texts[0] == "8 = 8"
    assert [text for text in texts if "≠" in text] == ["20 ≠ 21"]


def test_fields_of_one_place_share_a_panel(study_of, rendered):
    def over(*frame, effective=0.5):
        image = np.arange(16, dtype=np.uint8).reshape(4, 4)
        gradient = np.zeros((4, 4))
        gradient[1:3, 2] = 1, effective
        arrays = {"image": image, "frame": np.array(frame), "gradient": gradient}
        return {}, {f"field_over_input/{name}": array for name, array in arrays.items()}

    small, large = (8, 8, 2, 6, 2, 6), (8, 8, -4, 12, -4, 12)
    near = over(*small, effective=0.04)
    arms = {"large": over(*large), "a": over(*small), "b": over(*small), "near": near}
    study = study_of(arms)
    plot = rendered("fields_over_input", study)["fields_over_input"]
    assert titles(plot) == [
        f"a, b\n5, effective {8**0.5:.2g},\nof 8 × 8",  # each cell stands for 2 x 2 pixels
        "near\n5, effective 2,\nof 8 × 8",
        f"large\n17, effective {8**0.5:.2g},\nof 8 × 8",
    ]
    frame = plot.figure.axes[2].patches[-1]
    assert (frame.get_xy(), frame.get_width()) == ((-4, -4), 17)
    assert plot.figure.axes[2].get_xlim()[0] < -4  # what lies beyond the image is seen
    strength = [ax.get_images()[1].get_array()[1:3, 2, 3].tolist() for ax in plot.figure.axes]
    assert strength == [[0.8, pytest.approx(0.8 * e)] for e in (0.5, 0.04, 0.5)]
    assert plot.data["arm"].tolist() == ["a", "b", "near", "large"]


def test_each_filter_lies_above_its_map(study_of, rendered):
    arrays = {
        "feature_maps/input": np.arange(16.0).reshape(1, 4, 4),
        "feature_maps/filters": np.arange(16.0).reshape(4, 1, 2, 2),
        "feature_maps/maps": np.arange(36.0).reshape(4, 3, 3),
        "filters/weights": np.arange(16.0).reshape(4, 1, 2, 2),
    }
    result = {"filters/roughness": 1.5}, arrays
    study = study_of({"untrained": result, "trained": result})
    plot = rendered("feature_maps", study)["feature_maps"]
    assert titles(plot)[::2] == [
        "untrained\nimage",
        "4 filters of 2x2\nroughness 1.5",
        "feature maps",
    ]
    shapes = [ax.get_images()[0].get_array().shape for ax in plot.figure.axes]
    assert shapes == [(4, 4)] * 2 + [(5, 5)] * 2 + [(7, 7)] * 2
    assert not rendered("filters", study)  # which would show the same filters again
