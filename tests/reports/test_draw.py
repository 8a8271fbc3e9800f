"""Figures of a user's own, and those that fail."""

import dataclasses
import inspect
import os
from collections import Counter

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dlgbench import Plot, register_figure
from dlgbench.registry import FIGURES
from dlgbench.reports import drawing, style
from dlgbench.reports.drawing import draw, draw_all

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
    drawn = draw(study, tmp_path)
    assert ([plot.name for plot in drawn.plots], drawn.problems) == (["curves", "own"], ())
    assert {file.name for file in tmp_path.glob("own.*")} == {"own.png", "own.svg", "own.csv"}


def test_a_plot_is_laid_out_once_for_all_its_files(tmp_path, monkeypatch):
    counted = Counter()

    def counting(name, method):
        def counted_method(*args, **more):
            counted[name] += 1
            return method(*args, **more)

        return counted_method

    layout = ConstrainedLayoutEngine.execute
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", counting("laid out", layout))
    monkeypatch.setattr(Figure, "draw", counting("drawn", Figure.draw))
    with style.styled():
        figure = Figure()
        figure.subplots().plot([1, 2])
    style.write(dataclasses.replace(plot("one"), figure=figure), tmp_path)
    assert counted == {"laid out": 1, "drawn": 2}  # PNG and SVG


def test_logarithmic_axes_say_their_powers_in_plain_characters(tmp_path):
    with style.styled():
        figure = Figure()
        axes = figure.subplots(1, 3)
        for ax, scale, values in zip(
            axes,
            ("log", "log", "symlog"),
            ([1e-12, 1e3], [2.0, 6.0], [-10.0, 0.0, 0.1]),
            strict=True,
        ):
            ax.plot(values)
            ax.set_yscale(scale, **({"linthresh": 0.1} if scale == "symlog" else {}))
    style.write(dataclasses.replace(plot("one"), figure=figure), tmp_path)
    shown = [
        {label.get_text() for label in ax.get_yticklabels(which="both") if label.get_text()}
        for ax in axes
    ]
    assert shown[0] >= {"10⁻¹²", "10⁻⁶", "10⁰"}
    assert shown[1] >= {"2 × 10⁰", "6 × 10⁰"}
    assert shown[2] >= {"−10¹", "0", "10⁻¹"}
    assert not any("$" in label for labels in shown for label in labels)


def test_a_figure_that_fails_is_one_line_and_the_rest_goes_on(study, register, tmp_path):
    for function in (fails, gives_no_list, takes_a_name, works):
        register(function)
    drawn = draw(study, tmp_path)
    assert [plot.name for plot in drawn.plots] == ["curves", "own"]
    failed, no_list, name = drawn.problems
    line = inspect.getsourcelines(fails)[1] + 1
    assert failed.startswith(f"figure fails ({__file__}:")
    assert failed.endswith(f") of mine/what failed at line {line}: ValueError: no luck")
    assert "TypeError: expected a list of dlgbench.Plot, got Plot(name='other'" in no_list
    assert "ValueError: expected a name of its own for each plot, got 'curves' twice" in name


def ends_the_process(_study):
    os._exit(3)


class NoStore:
    """Takes the plots, and has no more curves than the study has."""

    uri = "nowhere"

    def __init__(self, study):
        self.study, self.attached = study, []

    def runs(self, *_, **__):
        return self.study.runs

    def attach(self, name, files):
        self.attached.append((name, sorted(file.name for file in files)))


@pytest.fixture
def two(study, monkeypatch):
    """Two studies, which two processes draw."""
    monkeypatch.setattr(drawing, "cores", lambda: 2)
    other = dataclasses.replace(study.ablation, name="mine/other")
    return [study, dataclasses.replace(study, ablation=other)]


def test_processes_know_every_registered_figure(two, register, tmp_path):
    register(works)
    store = NoStore(two[0])
    drawn = {study.ablation.name: drawn for study, drawn in draw_all(two, store, tmp_path)}
    assert {name: [plot.name for plot in found.plots] for name, found in drawn.items()} == {
        name: ["curves", "own"] for name in ("mine/what", "mine/other")
    }
    assert min(store.attached) == ("mine/other", ["curves.png", "own.png"])
    assert drawing.changed(two, store, tmp_path) == []


@pytest.mark.skipif(not drawing.can_fork(), reason="plots are drawn in this process")
def test_a_figure_that_ends_its_process_costs_one_line(two, register, tmp_path):
    register(ends_the_process)
    for study, drawn in draw_all(two, NoStore(two[0]), tmp_path):
        (problem,) = drawn.problems
        assert study.ablation.name in problem
        assert problem.endswith("ended with exit code 3")
    assert drawing.changed(two, NoStore(two[0]), tmp_path) == two  # it is tried again


def test_what_changed_is_drawn_again(study, register, tmp_path):
    store, folder = NoStore(study), tmp_path / "mine" / "what"

    def is_outdated(now=study):
        return bool(drawing.changed([now], store, tmp_path))

    assert is_outdated()
    list(draw_all([study], store, tmp_path))
    assert not is_outdated()
    (folder / "curves.png").unlink()
    assert is_outdated()
    list(draw_all([study], store, tmp_path))
    first, *rest = study.runs
    other = dataclasses.replace(study.runs[first], summary={"test/error": 0.2})
    assert is_outdated(dataclasses.replace(study, runs={**study.runs, first: other}))
    assert is_outdated(dataclasses.replace(study, runs=dict.fromkeys(rest, other)))
    register(works)
    assert is_outdated()
