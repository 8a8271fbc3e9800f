"""What a run will cost: against sums by hand, and the data and models themselves."""

import dataclasses
import json

import pytest

from dlgbench import Ablation, Claim, DlgbenchError, Recipe, at_least, cli, difference, plan
from dlgbench.data_table import FILE, measured, sizes
from dlgbench.registry import DATA

MLP = Ablation(
    question="Q?",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (16,)},
        data="mnist5k",
        data_args={"train": 500, "val": 100, "shrink": 2},
        batch_size=20,
        steps=300,
    ),
    arms={"a": {}, "b": {"steps": 600}},
    tune={"lr": (0.1, 0.2)},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 3}, "gpu": {}},
    claims=[Claim("B is better", difference("test/error", "a", "b"), at_least(0.1))],
    name="mine",
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "CACHE", tmp_path / "cache")


@pytest.mark.parametrize("name", [*json.loads(FILE.read_text())])
def test_the_table_of_data_sets_is_the_data(name):
    try:
        found = measured(name)
    except DlgbenchError:
        pytest.skip("its files are not on this machine")
    assert sizes(name) == found


def test_every_data_set_of_the_suite_is_in_the_table():
    own = {name for name, data in DATA.items() if FILE.parent in data.file.parents}
    assert set(json.loads(FILE.read_text())) == own


def test_cells_steps_and_operations_by_hand():
    a, b = plan.plan([MLP], "cpu", {})
    assert (a.cells, a.steps, b.cells, b.steps) == (2 * 3 + 5, 300, 11, 600)
    forward = 2 * (14 * 14 * 16 + 16 * 10)  # two for a multiply-add; images of 28x28, shrunk by 2
    assert a.operations == 300 * 20 * 3 * forward
    assert a.data == {"mnist5k": sizes("mnist5k").bytes}
    sums = plan.totals([a, b])
    assert (sums.cells, sums.steps) == (22, 11 * 900)
    assert sums.bytes == sizes("mnist5k").bytes  # one data set
    again = plan.plan([MLP], "cpu", {})  # from the file that remembers the operations
    assert again == [a, b]


def test_what_the_store_knows_is_taken_and_the_rest_is_fitted_to_it():
    known = {("mine", "cpu", "a"): 2.0, ("mine", "gpu", "a"): 99.0}
    a, b = plan.plan([MLP], "cpu", known)
    assert (a.seconds, a.basis) == (2.0, "measured")
    assert b.seconds == pytest.approx(4.0)  # twice the steps of an equal net
    assert b.basis == "fitted"
    assert all(arm.basis == "guessed" for arm in plan.plan([MLP], "cpu", {}))


def test_the_fit_finds_the_time_of_a_step_and_of_an_operation():
    (arm,) = plan.plan([MLP], "cpu", {})[:1]
    arms = [
        dataclasses.replace(arm, steps=steps, operations=operations)
        for steps, operations in ((100, 1e9), (1000, 1e9), (10, 1e11), (300, 5e10))
    ]
    found = plan._fit([(arm, 2e-3 * arm.steps + 3e-11 * arm.operations) for arm in arms])
    assert found == pytest.approx((2e-3, 3e-11))


def test_what_measures_time_has_the_machine_alone():
    arm, _ = plan.plan([MLP], "cpu", {("mine", "cpu", "a"): 60.0})
    arms = [dataclasses.replace(arm, cells=4), dataclasses.replace(arm, cells=2, timing=True)]
    text = plan.summary(arms, "cpu", workers=2)
    assert text.startswith(
        "6 cells at scale cpu, 1,800 steps: about 4 min 0 s with 2 workers (100%"
    )


def test_the_command_needs_no_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    assert cli.main(["plan", "--scale", "gpu", "-k", "optimization/momentum_mlp"]) == 0
    shown = capsys.readouterr().out
    assert "optimization/momentum_mlp" in shown
    assert "a guess: the store has no such runs of this device" in shown
    assert cli.main(["plan", "--scale", "cpu", "-k", "optimization/momentum_mlp", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["cells"] > 0 and row["seconds"] > 0 for row in rows)


def test_a_model_that_can_not_be_counted_stops_no_run(monkeypatch):
    """A user's model may refuse torch's meta device, on which operations are counted."""

    def refuse(*_):
        raise RuntimeError("Cannot copy out of meta tensor; no data!")

    monkeypatch.setattr(plan, "_count", refuse)
    a, _ = plan.plan([MLP], "cpu", {("mine", "cpu", "b"): 1.0})
    assert (a.operations, a.seconds) == (0.0, None)
    assert "; without 1 of unknown cost)" in plan.summary([a], "cpu", workers=1)
