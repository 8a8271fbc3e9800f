import math

import matplotlib as mpl
import pandas as pd
import pytest

from dlgbench.registry import FIGURES
from dlgbench.reports.figures import base

PAGE = [
    *("effects", "paired", "boundaries", "warp", "paths", "fits", "heatmap", "depth"),
    *("receptive_fields", "filters", "fields", "exemplars", "neighbours", "predictions"),
    *("samples", "minima", "noise", "layers", "dropout", "curves", "rates", "sensitivity"),
]


def test_the_figures_are_registered_in_the_order_of_the_page():
    assert list(FIGURES)[: len(PAGE)] == PAGE


@pytest.mark.parametrize("kind", ["recipe", "training"])
def test_a_study_with_nothing_recorded_has_no_plots(make_study, drawn, kind):
    def train(config, seed, log):
        raise NotImplementedError

    recipe = {"model": "mlp", "data": "mnist5k", "steps": 20}
    own = {"train": train, "config": {"lr": 0.1}, "metrics": {"val/error": "a share"}}
    more = {} if kind == "recipe" else own
    study = make_study(
        recipe if kind == "recipe" else None,
        {"a": {}, "b": {"lr": 0.2}},
        lambda *_: {"summary": {"seconds": 1.0}},
        **more,
    )
    assert [plot for figure in FIGURES for plot in drawn(figure, study)] == []


def test_a_mean_of_logarithms_is_geometric():
    points = pd.DataFrame({"arm": "a", "value": [1.0, 100.0]})
    (row,) = base.over_seeds(points, "arm", log=True).to_dict("records")
    assert row["mean"] == pytest.approx(10)
    assert row["low"] * row["high"] == pytest.approx(100)
    (one,) = base.over_seeds(points[:1], "arm").to_dict("records")
    assert (one["mean"], one["n"]) == (1, 1)
    assert math.isnan(one["low"])


def test_the_median_decides_whether_an_axis_is_symlog():
    near_0 = base.scaling([-0.3, 0.2, 1e-5, 0.1])
    assert near_0 == {"value": "linear"}
    assert base.scaling([0.0, math.nan, math.inf]) == {"value": "linear"}
    assert base.scaling([0.0, 1e-3, 1.0, 1e25]) == {"value": "symlog", "linthresh": 1e-3}
    assert base.scaling([1e-30, 1.0, 1.0, 1e25])["linthresh"] == 1e-8


def test_figures_need_no_display():
    assert mpl.get_backend().lower() == "agg"
