import math

import pytest

from dlgbench import Claim, at_most, value

TRAINED = {"model": "mlp", "data": "mnist5k", "steps": 20}
PROBED = {"model": "mlp", "steps": 0, "probes": ("onnx",)}
MODES = {
    "execution/eager": "ms",
    "execution/mode": "ms",
    "execution/prepare": "s",
    "execution/optimized": "0 or 1",
    "if/refused": "0 or 1",
    "if/difference": "error",
}


def summary(study_of):
    return lambda arm, seed: {"summary": study_of(arm, seed)}


def test_the_cost_of_a_step_in_each_way_and_its_ratio(make_study, rendered):
    factors = {"bare": 1.0, "reversed": 1.0, "engine": 1.1, "lightning": 3.0}

    def costs(arm, seed):
        own = {"small": 1.0, "large": 20.0}[arm] * 1.2**seed
        return {f"training_step/{way}": own * factor for way, factor in factors.items()}

    arms = {"small": {}, "large": {"batch_size": 500}}
    recipe = TRAINED | {"probes": ("training_step",)}
    plot = rendered("step_cost", make_study(recipe, arms, summary(costs)))["step_cost"]
    ratio = plot.data[plot.data["quantity"] == "ratio"].set_index(["arm", "way"])
    for arm in arms:
        for way, factor in factors.items():
            row = ratio.loc[(arm, way)]
            assert [row["mean"], row["low"], row["high"]] == pytest.approx([factor] * 3)
    cost = plot.data[plot.data["quantity"] == "milliseconds"].set_index(["arm", "way"])
    assert cost.loc[("small", "lightning"), "mean"] == pytest.approx(3 * 1.2**2)  # geometric
    texts = [text.get_text() for text in plot.figure.axes[0].texts]
    assert texts == ["", "× 1.00 [1.00, 1.00]", "× 1.10 [1.10, 1.10]", "× 3.00 [3.00, 3.00]"]


def test_modes_their_speed_and_the_if(make_study, rendered):
    def train(config, seed, log):
        raise NotImplementedError

    ifs = {"eager": (0, 0), "compiled": (0, 0), "traced": (0, 1), "exported": (1, 0)}

    def modes(arm, seed):
        numbers = (2.0 + seed, 1.0 + seed / 2, 0.5, 0, *ifs[arm])
        return dict(zip(MODES, map(float, numbers), strict=True))

    arms = {name: {"mode": name} for name in ifs}
    own = {"train": train, "config": {"mode": ""}, "metrics": MODES, "timing": True}
    plot = rendered("execution", make_study(None, arms, summary(modes), **own))["execution"]
    rows = plot.data.set_index("arm")
    assert list(rows["mean"]) == pytest.approx([2.0] * 4)
    assert list(rows["if"]) == ["right", "right", "wrong by 1", "refused"]
    names = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert names[1] == "compiled (aot_eager: no C++ compiler)"
    assert "a mean over seeds of which only the first can have compiled all anew" in plot.caption
    assert "torch.compile makes no graph of the if itself: it breaks there" in plot.caption


def test_models_in_another_framework_by_their_difference(make_study, rendered):
    found = {
        "mlp": (1e-7, 2e-7, 1e-7, 5e3),
        "resnet20": (3e-6, 1e-6, 0.5, 9e4),
        "linear": (0.0, 0.0, 0.0, 1e3),
    }

    def result(arm, _seed):
        names = ("onnx/difference", "onnx/rounding", "onnx/train_mode", "onnx/bytes")
        return dict(zip(names, found[arm], strict=True))

    arms = {name: {"model": name, "model_args.num_classes": 5} for name in found}
    arms["resnet20"] |= {"model_args.width": 0.125, "model_args.input_shape": (1, 28, 28)}
    claims = [Claim("C", value("onnx/difference", "mlp"), at_most(1e-4))]
    study = make_study(PROBED, arms, summary(result), claims)
    plot = rendered("interchange", study)["interchange"]
    first = plot.data.drop_duplicates("arm")
    assert list(first["arm"]) == ["linear", "mlp", "resnet20"]
    (line,) = [line for line in plot.figure.axes[0].get_lines() if len(set(line.get_xdata())) == 1]
    assert math.isclose(line.get_xdata()[0], 1e-4)
    control = next(
        dots for dots in plot.figure.axes[0].collections if "control" in dots.get_label()
    )
    assert control.get_offsets()[:, 0].tolist() == [1e-9, 1e-7, 0.5]
    assert "0.125 of the width" in plot.caption
    assert "a side of 28 pixels, and 5 classes" in plot.caption


@pytest.mark.parametrize("figure", ["step_cost", "execution", "interchange"])
def test_other_studies_have_nothing_for_them(make_study, drawn, figure):
    study = make_study(TRAINED, {"a": {}}, summary(lambda *_: {"test/error": 0.1}))
    assert drawn(figure, study) == {}
