"""What a run will cost: against sums by hand, and the data and models themselves."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from dlgbench import (
    Ablation,
    Claim,
    DlgbenchError,
    Recipe,
    at_least,
    cli,
    difference,
    launch,
    operations,
    plan,
)
from dlgbench.data_table import FILE, measured, sizes
from dlgbench.discovery import discover
from dlgbench.registry import DATA
from dlgbench.session import KEY

ROOT = Path(__file__).parents[1]
MLP = Ablation(
    question="Q?",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (18,)},
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
    monkeypatch.setattr(operations, "CACHE", tmp_path / "cache")


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
    forward = 2 * (14 * 14 * 18 + 18 * 10)  # two for a multiply-add; images of 28x28, shrunk by 2
    # three passes for a step, twenty validations, the training split, the test split in 5 of 11
    rows = 300 * 20 * 3 + 20 * 100 + 500 + 2000 * 5 / 11
    assert a.operations == pytest.approx(rows * forward)
    assert (a.engine, a.precision) == ("lanes", "32")
    # a matrix, ReLU, a matrix, and 40 others in a step; the tuning is one stack, the rest another
    assert a.kernels == pytest.approx(300 * (3 * 3 + 40) * 2 / 11)
    # four bytes; each output is written and read, each weight touched ten times in a step
    weights = 14 * 14 * 18 + 18 + 18 * 10 + 10
    assert a.moved == pytest.approx(4 * (2 * rows * (18 + 18 + 10) + 10 * 300 * weights))
    assert a.data == {"mnist5k": sizes("mnist5k").bytes}
    sums = plan.totals([a, b])
    assert (sums.cells, sums.steps) == (22, 11 * 900)
    assert sums.bytes == sizes("mnist5k").bytes  # one data set
    operations._remembered.cache_clear()
    again = plan.plan([MLP], "cpu", {})  # from the file that remembers the operations
    assert again == [a, b]


def test_what_the_store_knows_is_taken_and_the_rest_is_fitted_to_it():
    known = {("mine", "cpu", "a"): 2.0, ("mine", "gpu", "a"): 99.0}
    a, b = plan.plan([MLP], "cpu", known)
    assert (a.seconds, a.basis) == (2.0, "measured")
    assert b.seconds == pytest.approx(4.0)  # twice the steps of an equal net
    assert b.basis == "fitted"
    assert all(arm.basis == "guessed" for arm in plan.plan([MLP], "cpu", {}))


@pytest.mark.parametrize(("cuda", "sent"), [(False, "steps"), (True, "kernels")])
def test_the_fit_finds_what_a_step_or_kernel_an_operation_a_byte_and_a_cell_take(cuda, sent):
    (arm,) = plan.plan([MLP], "cpu", {})[:1]
    arms = [
        dataclasses.replace(arm, steps=steps, kernels=9.0, operations=operations, moved=moved)
        for steps, operations, moved in (
            (100, 1e9, 1e8),
            (1000, 1e9, 1e9),
            (10, 1e11, 1e7),
            (300, 5e10, 1e10),
            (1, 1e8, 1e7),
        )
    ]
    if cuda:
        arms = [dataclasses.replace(of, kernels=float(of.steps), steps=7) for of in arms]
    took = [2e-4 * getattr(a, sent) + 3e-11 * a.operations + 1e-9 * a.moved + 0.02 for a in arms]
    found = plan._fit(list(zip(arms, took, strict=True)), cuda=cuda)
    assert found == pytest.approx((2e-4, 3e-11, 1e-9, 0.02))


def test_on_a_gpu_a_cell_waits_for_python_or_for_the_gpu_that_eight_share():
    arm = plan.plan([MLP], "gpu", {})[0]
    assert arm.precision == "tf32"
    peak = 0.25 * 494e12
    for kernels, flops, moved, seconds in (
        (1e6, 0.0, 0.0, 5.0),  # 5 us for each kernel
        (0, peak, 0.0, 8.0),
        (0, 0.0, 0.6 * 3.35e12, 8.0),
        (1e5, peak, 0.3 * 3.35e12, 8.0),
    ):
        of = dataclasses.replace(arm, kernels=kernels, operations=flops, moved=moved)
        assert plan._on_an_h100(of) == pytest.approx(0.25 + seconds)
    half = dataclasses.replace(arm, kernels=0, operations=peak, moved=0.0, precision="bf16")
    assert plan._on_an_h100(half) == pytest.approx(0.25 + 8 * 494 / 989)
    alone = dataclasses.replace(arm, kernels=0, operations=peak, moved=0.0, timing=True)
    assert plan._on_an_h100(alone) == pytest.approx(1.25)


def test_the_catalogue_is_planned_for_an_hour_of_an_h100_and_paper_for_more():
    catalogue = discover(ROOT / "ablations")
    at = {scale: plan.plan(catalogue, scale, {}) for scale in ("gpu", "paper")}
    assert plan._wall(at["gpu"], workers=8) <= 3600 < plan._wall(at["paper"], workers=8)
    minutes = f"`gpu` takes {plan._wall(at['gpu'], workers=8) / 60:.0f} minutes"
    assert minutes in (ROOT / "docs" / "scales.md").read_text()
    text = plan.summary(at["gpu"], "gpu")
    assert "with 8 workers (an estimate for an H100, see docs/scales.md: the store has" in text
    assert all(arm.kernels for arm in at["paper"] if arm.steps and arm.engine and arm.data)


def test_no_cell_on_a_core_is_guessed_to_take_no_time():
    """Or else, while such cells run, the progress says that hours are left."""
    arms = plan.plan(discover(ROOT / "ablations"), "cpu", {})
    assert any(not arm.kernels for arm in arms)
    assert all(arm.seconds is None or arm.seconds >= plan.CPU_CELL for arm in arms)


def test_what_measures_time_has_the_machine_alone():
    arm, _ = plan.plan([MLP], "cpu", {("mine", "cpu", "a"): 60.0})
    arms = [dataclasses.replace(arm, cells=4), dataclasses.replace(arm, cells=2, timing=True)]
    text = plan.summary(arms, "cpu", workers=2)
    assert text.startswith(
        "6 cells at scale cpu, 1,800 steps: about 4 min 0 s with 2 workers (100%"
    )


@pytest.mark.parametrize("is_there", [False, True])
def test_the_command_needs_no_runs_and_no_gpu(capsys, tmp_path, monkeypatch, fresh, is_there):
    uri = fresh(tmp_path).uri if is_there else f"sqlite:///{tmp_path}/none.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert cli.main(["plan", "--scale", "gpu", "-k", "optimization/momentum_mlp"]) == 0
    shown = capsys.readouterr().out
    assert "optimization/momentum_mlp" in shown
    assert "an estimate for an H100, see docs/scales.md: the store has no such runs of" in shown
    assert cli.main(["plan", "--scale", "cpu", "-k", "optimization/momentum_mlp", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["cells"] > 0 and row["seconds"] > 0 for row in rows)


def test_a_model_that_can_not_be_counted_stops_no_run(monkeypatch):
    """A user's model may refuse torch's meta device, on which operations are counted."""

    def refuse(*_):
        raise RuntimeError("Cannot copy out of meta tensor; no data!")

    monkeypatch.setattr(operations, "counted", refuse)
    operations._remembered.cache_clear()
    a, _ = plan.plan([MLP], "cpu", {("mine", "cpu", "b"): 1.0})
    assert (a.operations, a.seconds) == (0.0, None)
    assert "; without 1 of unknown cost)" in plan.summary([a], "cpu", workers=1)


def test_a_plan_that_fails_stops_no_run(monkeypatch):
    def fail(*_):
        raise KeyError("lost")

    monkeypatch.setattr(plan, "plan", fail)
    config = SimpleNamespace(stash={KEY: SimpleNamespace(scale="cpu")})
    store = SimpleNamespace(seconds=lambda _scale: {})
    said = launch._planned(config, [MLP], store)
    assert said == "no plan of the time: KeyError: 'lost'"
