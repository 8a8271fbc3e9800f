import numpy as np
import pytest

from dlgbench import Measurement, register_probe
from dlgbench.registry import PROBES

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}


def test_samples_stand_at_their_numbers(make_study, rendered, curve):
    errors = (0.5, 0.4, 0.3, 0.25, 0.22, 0.2, 0.2)

    def result(*_):
        history = curve("averaging/by_samples", errors)
        return {"summary": {"averaging/once": 0.21}, "history": history}

    study = make_study(MLP, {"drop": {"model_args.dropout": 0.5}}, result)
    data = rendered("samples", study)["samples"].data.set_index("k")["mean"]
    assert data[0] == pytest.approx(0.21)
    of_k = dict(zip((1, 2, 5, 10, 20, 50, 100), errors, strict=True))
    assert data[data.index > 0].to_dict() == pytest.approx(of_k)


def test_noise_falls_along_the_batch_sizes_and_equal_arms_share_a_line(make_study, rendered, curve):
    deviations = [8**-0.5 * 2 ** (-k / 2) for k in range(5)]

    def result(*_):
        history = curve("gradient_noise/by_size", deviations)
        return {"summary": {"gradient_noise/slope": -0.5}, "history": history}

    plot = rendered("noise", make_study(MLP, {"one": {}, "other": {"lr": 0.2}}, result))["noise"]
    assert plot.data["batch_size"].tolist() == [8, 16, 32, 64, 128]
    labels = plot.figure.axes[0].get_legend_handles_labels()[1]
    assert labels[0] == "one, other: slope −0.5"


def test_the_way_between_two_minima_and_its_ends(make_study, rendered, curve):
    t = np.linspace(0, 1, 21)

    def result(arm, seed):
        if arm == "none":
            return {}
        height = 4.0 if arm == "hilly" else 0.0  # 1 at t = 1/2
        names = ("gap", "disagreement", "barrier")
        values = (0.01 * seed, 0.1, height / 4)
        summary = {f"minima/{name}": x for name, x in zip(names, values, strict=True)}
        history = curve("minima/path", 1 + 0.1 * seed + height * t * (1 - t))
        return {"summary": summary, "history": history}

    study = make_study(MLP, {"hilly": {}, "flat": {"lr": 0.2}, "none": {"lr": 0.3}}, result)
    plot = rendered("minima", study)["minima"]
    path = plot.data[plot.data["metric"] == "minima/path"].set_index(["arm", "t"])["mean"]
    hill = {k / 20: 1.2 + k * (20 - k) / 100 for k in range(21)}
    assert path["hilly"].to_dict() == pytest.approx(hill)
    assert path["flat"].tolist() == pytest.approx([1.2] * 21)
    along, apart = plot.figure.axes
    labels = along.get_legend_handles_labels()[1]
    assert labels == ["hilly: barrier 1", "flat: barrier 0"]
    assert [label.get_text() for label in apart.get_yticklabels()] == ["hilly", "flat"]
    points = apart.collections[0].get_offsets()[:, 0]
    assert points.tolist() == pytest.approx([0, 1, 2, 3, 4])  # in points


@pytest.fixture
def probe():
    register_probe("novel", when="end", metrics={"novel/mean": "a mean"})(
        lambda _: Measurement(metrics={"novel/mean": 1.5}, curves={"novel/over_blocks": [1, 2]})
    )
    yield "novel"
    PROBES._parts.pop("novel")


def test_every_curve_of_a_probe_is_drawn(make_study, rendered, curve, probe):
    curves = {
        "gradient/by_layer": [1e-3, 1.0],
        "dead_units/by_layer": [0.0, 0.5],
        "hierarchy/by_layer": [0.8, 0.9],
        "novel/over_blocks": [1.0, 2.0],
        "val/loss": [2.0, 1.0],  # a learning curve
        "lighting/by_setting": [1.0, 2.0],
    }
    history = sum((curve(name, values) for name, values in curves.items()), ())
    result = {"summary": {"novel/mean": 1.5}, "history": history}
    study = make_study(MLP | {"probes": (probe,)}, {"a": {}}, lambda *_: result)
    plots = rendered("layers", study)
    assert set(plots) == {"gradients", "dead_units", "hierarchy", "novel_over_blocks"}
    dead = plots["dead_units"].data["mean"].tolist()
    assert dead == [0.0, 0.5]  # a share of 0 stands on a linear axis
    assert "Before training." in plots["gradients"].caption


def test_one_layer_is_no_curve(make_study, drawn, curve):
    history = curve("weight_norms/by_layer", [1.0])
    study = make_study(MLP, {"flat": {}}, lambda *_: {"history": history})
    assert drawn("layers", study) == {}
