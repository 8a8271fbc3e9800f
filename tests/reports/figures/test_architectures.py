import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from dlgbench.reports.figures.architectures import APART, ILSVRC, _name_beside, stem

CONVNET = {"model": "resnet20", "data": "mnist5k", "steps": 20}
COST = {"parameters": 1e3, "flops": 1e6, "memory/saved": 1e4}
DENSE = {
    "model": "densenet_bc_100_12",
    "model_args.depth": 16,
    "model_args.growth": 5,
}


def test_a_stem_is_the_name_without_its_numbers():
    names = {"resnet20": "resnet", "densenet_bc_100_12": "densenet_bc", "lenet5": "lenet"}
    assert {name: stem(name) for name in names} == names


def test_the_slides_chart_stands_beside_ours_in_its_order(make_study, rendered):
    errors = {"resnet": 0.01, "googlenet": 0.02, "vgg": 0.03, "alexnet": 0.04, "lenet": 0.05}
    models = {"resnet": "resnet34", "vgg": "vgg11", "lenet": "lenet5"}
    arms = {arm: {"model": models.get(arm, arm)} for arm in errors}

    def result(arm, seed):
        return {"summary": {"test/error": errors[arm] + 0.001 * (seed - 2)}}

    plot = rendered("revolution", make_study(CONVNET, arms, result))["revolution"]
    assert plot.data["arm"].tolist() == ["lenet", "alexnet", "vgg", "googlenet", "resnet"]
    assert plot.data["mean"].tolist() == pytest.approx([0.05, 0.04, 0.03, 0.02, 0.01])
    slide, ours = plot.figure.axes
    assert [bar.get_height() for bar in slide.patches] == list(ILSVRC.values())
    assert [bar.get_height() for bar in ours.patches] == pytest.approx([5, 4, 3, 2, 1])


def test_few_families_or_one_family_twice_are_no_revolution(make_study, drawn):
    def study(*models):
        arms = {model: {"model": model} for model in models}
        return make_study(CONVNET, arms, lambda *_: {"summary": {"test/error": 0.1}})

    assert drawn("revolution", study("lenet5", "alexnet", "resnet20")) == {}
    assert drawn("revolution", study("lenet5", "alexnet", "vgg11", "vgg13", "resnet20")) == {}


def test_error_by_cost_has_a_line_for_each_family(make_study, rendered):
    arms = {
        "small": {"model_args.width": 0.25},
        "large": {"model_args.width": 0.5},
        "dense": DENSE,
        "chain": DENSE | {"model_args.concatenate": False},
    }
    scale = {"small": 1, "large": 4, "dense": 2, "chain": 2}

    def result(arm, _):
        return {
            "summary": {metric: value * scale[arm] for metric, value in COST.items()}
            | {"test/error": 0.1 / scale[arm]}
        }

    study = make_study(CONVNET | {"probes": ("flops", "memory")}, arms, result)
    plot = rendered("costs", study)["costs"]
    data = plot.data.set_index("arm")
    assert data["parameters"].to_dict() == {arm: 1e3 * k for arm, k in scale.items()}
    assert data.loc["large", "mean"] == pytest.approx(0.025)
    first = plot.figure.axes[0]
    labels = first.get_legend_handles_labels()[1]
    assert labels == ["small", "dense", "chain"]  # two kinds of one model: by the first arm
    np.testing.assert_allclose(first.get_lines()[0].get_xdata(), [1e3, 4e3])
    scale.update(small=1.6, dense=3.5, chain=4, large=8.6)  # less than a decade
    near = rendered("costs", make_study(CONVNET | {"probes": ("flops", "memory")}, arms, result))
    ax = near["costs"].figure.axes[0]
    low, high = ax.get_xlim()
    assert 2 <= sum(low <= tick <= high for tick in ax.get_xticks()) <= 5  # with room for each


def test_without_costs_nothing_is_drawn(make_study, drawn):
    arms = {arm: {"lr": rate} for arm, rate in (("a", 0.1), ("b", 0.2), ("c", 0.3))}
    study = make_study(CONVNET, arms, lambda *_: {"summary": {"test/error": 0.1}})
    assert drawn("costs", study) == {}
    assert drawn("blocks", study) == {}


def test_error_by_blocks_is_a_geometric_mean(make_study, rendered):
    stack = {
        "model": "residual_stack",
        "data": "photographs_identity",
        "task": "image_to_image",
        "steps": 20,
    }
    arms = {
        "plain_2": {"model_args.skip": False, "model_args.blocks": 1},
        "plain_8": {"model_args.skip": False, "model_args.blocks": 4},
        "residual_8": {"model_args.blocks": 4},
    }
    values = {"plain_2": 1e-3, "plain_8": 1e-2, "residual_8": 1e-4}

    def result(arm, seed):
        return {"summary": {"test/mse": values[arm] * 2.0 ** (seed - 2)}}

    plot = rendered("blocks", make_study(stack, arms, result))["blocks"]
    assert plot.data.set_index("arm")["mean"].to_dict() == pytest.approx(values)
    ax = plot.figure.axes[0]
    assert ax.get_legend_handles_labels()[1] == ["plain", "residual"]
    np.testing.assert_allclose(ax.get_lines()[0].get_xdata(), [1, 4])


def test_time_by_operations_has_a_dot_for_each_net_that_has_both(make_study, rendered):
    def train(config, seed, log):
        raise NotImplementedError

    operations = {"small": 1e5, "large": 4e6}
    metrics = {f"operations/{net}": "" for net in operations} | {"time/again": ""}
    metrics |= {f"time/{net}": "" for net in operations}

    def result(arm, seed):
        own = {f"operations/{net}": count for net, count in operations.items()}
        slow = {"inference": 1, "training": 3}[arm] * 1.1 ** (seed - 2)
        return {"summary": own | {"time/small": 5 * slow, "time/large": 80 * slow, "time/again": 1}}

    arms = {"inference": {"training": False}, "training": {"training": True}}
    own = {"train": train, "config": {"training": False}, "metrics": metrics, "timing": True}
    plot = rendered("times", make_study(None, arms, result, **own))["times"]
    rows = plot.data.set_index(["arm", "net"])
    assert set(rows.index) == {(arm, net) for arm in arms for net in operations}
    assert rows.loc[("training", "large"), "mean"] == pytest.approx(240)
    assert rows.loc[("inference", "small"), "operations"] == 1e5
    line = plot.figure.axes[0].lines[0]
    assert line.get_ydata()[-1] == pytest.approx(80)
    assert line.get_ydata()[0] == pytest.approx(80 * 1e5 / 4e6)


def test_names_of_nets_do_not_lie_on_one_another():
    figure = Figure()
    ax = figure.subplots()
    ax.set(xscale="log", yscale="log", ylim=(1, 100))
    nets = [f"net{k}" for k in range(12)]
    times = [10.0] * 10 + [99.0, 1.1]
    rows = pd.DataFrame({"net": nets, "mean": times, "operations": range(1, 13)})
    _name_beside(ax, rows)
    heights = [text.xyann[1] for text in ax.texts]
    assert np.diff(heights).min() > 0.999 * APART
    assert 0 <= heights[0] < heights[-1] <= 1.0001
    assert [text.get_text() for text in ax.texts][::11] == ["net11", "net10"]  # by time
    assert ax.texts[0].xy == (12, 1.1)
