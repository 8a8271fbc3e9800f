"""Runs as records, tags, points and rows, and back: nothing is lost on the way."""

import json

import numpy as np
import pytest

from dlgbench import Cell, Recipe, Run, Training
from dlgbench.records import (
    COLUMNS,
    SUMMARY,
    from_record,
    from_tags,
    pack,
    packed_arrays,
    setting_of,
    to_frame,
    to_record,
    to_tags,
    unpack,
)

RECIPE = Recipe(model="mlp", data="digits", steps=10, model_args={"hidden": (3,)})
CELL = Cell("x/y", "a", 3, "cpu", RECIPE, slide="S").chosen({"weight_decay": 0.1})
ARRAYS = {
    "filters/weights": np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(np.float32),
    "plane/grid": np.arange(6).reshape(2, 3),
    "mask": np.array([True, False]),
}
CURVES = (("val/error", 0, 0.5), ("gradient/by_layer", 1, 3.0), ("val/error", 10, 0.25))
ABOUT = {"device": "d", "git": "g", "version.torch": "2", "engine": "e", "code": "c"}
RUN = Run("finished", {"test/error": 0.1 + 0.2, "val/error": 0.25}, CURVES, ABOUT, ARRAYS)
PLAIN = Run("diverged", {"parameters": 7.0})


def train(_config, _seed, _log):
    raise AssertionError("a record is made of a run that is there")


def same(arrays, others):
    kinds = [{name: (a.dtype, a.shape) for name, a in them.items()} for them in (arrays, others)]
    return kinds[0] == kinds[1] and all(
        np.array_equal(others[name], arrays[name]) for name in arrays
    )


@pytest.mark.parametrize("run", [RUN, PLAIN])
def test_a_record_is_json_and_comes_back_as_it_went(run):
    record = json.loads(json.dumps(to_record(CELL, "f1", run)))
    back = from_record(record)
    assert back == run
    assert same(back.arrays, run.arrays)
    params = record["cell"]["params"]
    assert params["model_args.hidden"] == [3]
    assert params["model_args.dropout"] == "0.0"  # the model's default
    assert "model_args.input_shape" not in params
    assert (record["cell"]["setting"], record["fingerprint"]) == ({"weight_decay": 0.1}, "f1")


@pytest.mark.parametrize("run", [RUN, PLAIN])
def test_tags_points_and_arrays_come_back_as_they_went(run):
    record = to_record(CELL, "f1", run)
    tags, points = to_tags(record)
    assert all(isinstance(text, str) for text in tags.values())
    back = from_tags(tags, points, unpack(packed_arrays(record)) if run.arrays else None)
    assert back == run
    assert same(back.arrays, run.arrays)
    assert ("dlgbench.arrays" in tags) == bool(run.arrays)
    assert tags["dlgbench.arm"] == "a"


def test_a_point_of_a_curve_is_not_told_twice():
    _, points = to_tags(to_record(CELL, "f1", RUN))
    assert sorted(points) == sorted([*CURVES, ("test/error", 0, 0.1 + 0.2)])


def test_own_training_code_makes_records_too():
    work = Training(train, {"lr": 0.1, "net": {"width": 3}}, {"val/error": "share"})
    record = to_record(Cell("mine", "a", 0, "cpu", work), "f2", PLAIN)
    assert record["cell"]["params"] == {"lr": 0.1, "net.width": 3}
    assert json.loads(record["cell"]["recipe"])["train"] == "train"
    assert from_record(json.loads(json.dumps(record))) == PLAIN


def test_arrays_are_an_npz_that_needs_no_pickle():
    assert same(unpack(pack(ARRAYS)), ARRAYS)
    objects = pack({"a": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        unpack(objects)


def test_the_setting_of_an_evaluation_does_not_tell_it_from_others():
    tuning = Cell("x/y", "a", 1000, "cpu", RECIPE, "tune", setting={"lr": 0.1})
    assert (setting_of(tuning), setting_of(CELL)) == ('{"lr": 0.1}', "null")


def test_to_frame_is_long_and_names_every_run():
    other = Cell("x/y", "b", 4, "cpu", RECIPE)
    frame = to_frame({CELL: RUN, other: Run("diverged", {})})
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 2 + 3 + 1
    assert frame.query("metric == 'val/error'")["step"].tolist() == [SUMMARY, 0, 10]
    assert frame["status"].tolist()[-1] == "diverged"
    assert frame["setting"].unique().tolist() == ['{"weight_decay": 0.1}', "null"]
