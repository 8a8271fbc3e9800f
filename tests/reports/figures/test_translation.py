import numpy as np
import pytest
from skimage.color import rgb2lab

from dlgbench.reports.figures.translation import MOST_ROWS

NET = {"model": "unet", "data": "photographs", "task": "image_to_image", "steps": 20}
IMAGES = np.linspace(0, 1, 5 * 16).reshape(5, 1, 4, 4)


def of_first_seed(arrays, summary):
    """A result whose first seed alone has the arrays that `arrays(arm)` gives."""

    def result(arm, seed):
        return {"summary": summary, "arrays": {} if seed else arrays(arm)}

    return result


def test_outputs_and_their_errors_stand_beside_input_and_target(make_study, rendered):
    def arrays(arm):
        given = IMAGES + (0.1 if arm == "worse" else 0)
        return {"outputs/input": IMAGES / 2, "outputs/target": IMAGES, "outputs/image": given}

    arms = {"good": {}, "worse": {"lr": 0.2}}
    study = make_study(NET, arms, of_first_seed(arrays, {"test/psnr": 21.5}))
    plot = rendered("outputs", study)["outputs"]
    titles = ["input", "target", "good\n21.5 dB", "worse\n21.5 dB"]
    titles += ["error of\ngood", "error of\nworse"]
    axes = plot.figure.axes
    assert [ax.get_title(loc="left") for ax in axes[:6]] == titles
    assert len(axes) == 6 * MOST_ROWS
    error = axes[6 + 5].get_images()[0].get_array()
    assert error.tolist() == [[pytest.approx(0.1)] * 4] * 4
    shown = plot.data.groupby("picture")["value"].mean()
    expected = IMAGES[:MOST_ROWS].mean()
    assert shown["target"] == pytest.approx(expected, abs=1e-4)
    assert shown["worse"] == pytest.approx(expected + 0.1, abs=1e-4)


def test_each_data_set_has_a_plot_and_many_arms_have_no_errors(make_study, rendered):
    def arrays(_):
        return {f"outputs/{name}": IMAGES for name in ("input", "target", "image")}

    arms = {name: {"lr": 0.1 + k} for k, name in enumerate("abcd")}
    arms["other"] = {"data": "photographs_noisy"}
    study = make_study(NET, arms, of_first_seed(arrays, {"test/psnr": 20.0}))
    plots = rendered("outputs", study)
    assert set(plots) == {"outputs_photographs", "outputs_photographs_noisy"}
    # the target, which is the input too, and the arms; beside one arm also its error
    counts = {name: len(plot.figure.axes) // MOST_ROWS for name, plot in plots.items()}
    assert counts == {"outputs_photographs": 5, "outputs_photographs_noisy": 3}
    assert "Data: photographs_noisy." in plots["outputs_photographs_noisy"].caption


def test_colours_are_shown_with_the_lightness_of_the_input(make_study, rendered):
    rgb = np.random.default_rng(0).uniform(0.2, 0.8, (2, 3, 4, 4))
    lab = rgb2lab(rgb, channel_axis=1)
    lightness, ab = lab[:, :1] / 100, lab[:, 1:] / 110

    def arrays(_):
        return {"outputs/input": lightness, "outputs/target": ab, "outputs/image": 0 * ab}

    recipe = NET | {"data": "photographs_ab", "model": "colorization"}
    study = make_study(recipe, {"net": {}}, of_first_seed(arrays, {"test/mse": 0.02}))
    plot = rendered("outputs", study)["outputs"]
    grey, truth, net = (ax.get_images()[0].get_array() for ax in plot.figure.axes[:3])
    assert [ax.get_title(loc="left") for ax in plot.figure.axes[:3]][2] == "net\nMSE 0.02"
    np.testing.assert_allclose(grey, lightness[0, 0])
    np.testing.assert_allclose(truth, np.moveaxis(rgb[0], 0, -1), atol=1e-3)
    np.testing.assert_allclose(net, net.mean(-1, keepdims=True).repeat(3, -1), atol=1e-3)


def test_error_by_frequency_has_a_panel_for_each_data_set(make_study, rendered, curve):
    ratios = {"a": [0.01, 0.1, 1.0, 2.0], "b": [0.02, 0.2, 1.0, 4.0]}

    def result(arm, seed):
        values = [ratio * (1 + 0.1 * seed) for ratio in ratios[arm]]
        return {"history": curve("high_frequency/by_band", values)}

    study = make_study(NET, {"a": {}, "b": {"data": "photographs_noisy"}}, result)
    plot = rendered("by_band", study)["by_band"]
    line = plot.data.set_index(["arm", "frequency"])["mean"]
    middle = np.exp(np.mean(np.log(1 + 0.1 * np.arange(5))))
    assert line["a"].to_dict() == pytest.approx(
        {0.125 + 0.25 * k: ratio * middle for k, ratio in enumerate(ratios["a"])}
    )
    titles = [ax.get_title(loc="left") for ax in plot.figure.axes]
    assert titles == ["photographs", "photographs_noisy"]


def test_checkerboards_before_and_after(make_study, rendered):
    def arrays(_):
        spectrum = np.ones((4, 4))
        spectrum[2, 2] = 0
        of = {"image": IMAGES[:2], "spectrum": 7 * spectrum}
        moments = ("checkerboard_start", "checkerboard")
        return {f"{moment}/{name}": array for moment in moments for name, array in of.items()}

    summary = {"checkerboard_start": 0.25, "checkerboard": 0.01}
    study = make_study(NET, {"a": {}, "b": {"lr": 0.2}}, of_first_seed(arrays, summary))
    plot = rendered("checkerboards", study)["checkerboards"]
    axes = plot.figure.axes
    assert [ax.get_title(loc="left") for ax in axes] == [
        *("a\n25 %", "b\n25 %", "", ""),
        *("1 %", "1 %", "", ""),
    ]
    spectra = plot.data[plot.data["picture"] == "spectrum"]
    assert spectra["value"].max() == pytest.approx(1 / 15)
    assert len(plot.data) == 2 * 2 * 2 * 16
