"""Figures of a user's own, and those that fail."""

import inspect

import pandas as pd
import pytest
from matplotlib.figure import Figure

from dlgbench import Plot, register_figure
from dlgbench.registry import FIGURES
from dlgbench.reports.page import draw

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}


def plot(name):
    return Plot(name, "A title", "A caption.", Figure(), pd.DataFrame({"x": [1]}))


def works(study):
    return [plot("own")] if study.values("test/error")["value"].any() else []


def fails(_study):
    raise ValueError("no\nluck")


def gives_no_list(_study):
    return plot("other")


def takes_a_name(_study):
    return [plot("free"), plot("curves")]


@pytest.fixture
def study(make_study, curve):
    def result(*_):
        return {"summary": {"test/error": 0.1}, "history": curve("val/error", [0.9, 0.2])}

    return make_study(MLP, {"a": {}}, result)


@pytest.fixture
def register():
    names = []

    def register(function):
        register_figure(function.__name__)(function)
        names.append(function.__name__)

    yield register
    for name in names:
        FIGURES._parts.pop(name)


def test_a_figure_of_ones_own_follows_the_suites(study, register, tmp_path):
    register(works)
    plots, problems = draw(study, tmp_path)
    assert ([plot.name for plot in plots], problems) == (["curves", "own"], [])
    assert {file.name for file in tmp_path.glob("own.*")} == {"own.png", "own.svg", "own.csv"}


def test_a_figure_that_fails_is_one_line_and_the_rest_goes_on(study, register, tmp_path, capsys):
    for function in (fails, gives_no_list, takes_a_name, works):
        register(function)
    plots, problems = draw(study, tmp_path)
    assert [plot.name for plot in plots] == ["curves", "own"]
    failed, no_list, name = problems
    line = inspect.getsourcelines(fails)[1] + 1
    assert failed.startswith(f"figure fails ({__file__}:")
    assert failed.endswith(f") of mine/what failed at line {line}: ValueError: no luck")
    assert "TypeError: expected a list of dlgbench.Plot, got Plot(name='other'" in no_list
    assert "ValueError: expected a name of its own for each plot, got 'curves' twice" in name
    assert capsys.readouterr().err.splitlines() == problems
