"""Cells are pulled from the store, from another worker, or run; one that fails stops no other."""

import contextlib
import dataclasses
import math
import os
import shutil
import statistics
import threading
import time

import numpy as np
import pytest
from filelock import FileLock

from dlgbench import (
    Ablation,
    Cell,
    Claim,
    DlgbenchError,
    Recipe,
    Run,
    at_least,
    difference,
    machine,
    register_probe,
)
from dlgbench.fingerprint import PACKAGE, fingerprint
from dlgbench.judging import choose, edge, judge_runs, score
from dlgbench.lanes import engine as lanes
from dlgbench.registry import PROBES, TASKS
from dlgbench.runner import CellFailed, Runner
from dlgbench.spool import RunLost
from dlgbench.tracking import Store

HANGING = 300  # seconds after which a test is taken to hang
BROKEN = set()  # (arm, tuning) of cells that raise
CALLS = []


def train(config, seed, log, tuning):
    """Arm a has an error of 0.4, arm b of 0.2, and a little noise; lr=0.1 is better than 0.2."""
    CALLS.append((config["arm"], seed))
    if (config["arm"], tuning) in BROKEN:
        helper(seed)
    noise = np.random.rand() / 1000
    error = {"a": 0.4, "b": 0.2}[config["arm"]] + config["lr"] + noise
    log("val/error", error, 1)
    return {"val/error": error, "test/error": error}


def helper(seed):
    raise ValueError(f"no luck with seed {seed}")


QUESTION = Ablation(
    question="Q?",
    train=train,
    config={"arm": "a", "lr": 0.1},
    metrics={"val/error": "on validation", "test/error": "on test"},
    arms={"a": {}, "b": {"arm": "b"}},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 1}},
    claims=[Claim("B is better", difference("test/error", "a", "b"), at_least(0.1))],
    tune={"lr": (0.1, 0.2)},
    name="x",
)
CLAIM = QUESTION.claims[0]
TUNING = QUESTION.tuning("a", "cpu")


@pytest.fixture(autouse=True)
def _sound():
    BROKEN.clear()
    CALLS.clear()


# choices ------------------------------------------------------------------------------------------


def runs_of(ablation, by_lr):
    runs = {}
    for cell in ablation.tuning("a", "cpu"):
        number = by_lr[cell.setting["lr"]]
        diverged = Run("diverged", {ablation.select: 0.5})
        runs[cell] = diverged if number is None else Run("finished", {ablation.select: number})
    return runs


def chosen(ablation, *by_lr):
    runs = runs_of(ablation, dict(zip((0.1, 0.2), by_lr, strict=True)))
    return choose(ablation, runs)["lr"], [value for _, value in score(ablation, runs)]


def test_the_smallest_mean_wins_and_a_diverged_run_is_the_worst():
    assert chosen(QUESTION, 0.3, 0.2) == (0.2, [0.3, 0.2])
    assert chosen(QUESTION, 0.7, None) == (0.1, [0.7, math.inf])
    assert chosen(QUESTION, None, 0.7) == (0.2, [math.inf, 0.7])
    assert chosen(QUESTION, 0.3, 0.3)[0] == 0.1  # of equals the first
    with pytest.raises(DlgbenchError, match="x: expected tuning runs to choose from, got none"):
        choose(QUESTION, {})


@pytest.mark.parametrize("metric", ["val/accuracy", "val/top1_accuracy", "auc", "macro/f1"])
def test_of_an_accuracy_the_largest_mean_wins_and_a_diverged_run_is_the_worst(metric):
    metrics = {metric: "share", "test/error": "share"}
    ablation = dataclasses.replace(QUESTION, metrics=metrics, select=metric)
    assert chosen(ablation, 0.3, 0.2) == (0.1, [0.3, 0.2])
    assert chosen(ablation, 0.2, 0.3)[0] == 0.2
    assert chosen(ablation, 0.2, None) == (0.1, [0.2, -math.inf])
    assert chosen(ablation, None, -3.0) == (0.2, [-math.inf, -3.0])
    assert chosen(ablation, 0.3, 0.3)[0] == 0.1


BEST = {"loss": min, "error": min, "mse": min, "distance": min, "r2": max, "psnr": max, "miou": max}


def test_of_every_metric_that_a_task_announces_the_better_mean_wins():
    ours = [task for task in TASKS.values() if PACKAGE in task.file.parents]
    assert {name for task in ours for name in task.metrics} | {"loss"} == set(BEST)
    for name, best in BEST.items():
        metrics = {f"val/{name}": "", "test/error": "share"}
        ablation = dataclasses.replace(QUESTION, metrics=metrics, select=f"val/{name}")
        for numbers in ((0.3, 0.2), (0.2, 0.3), (-3.0, -2.0)):
            assert chosen(ablation, *numbers)[0] == (0.1, 0.2)[numbers.index(best(numbers))], name
        worst = math.inf if best is min else -math.inf
        assert chosen(ablation, None, 0.3) == (0.2, [worst, 0.3]), name


@pytest.mark.parametrize(
    ("metric", "numbers", "worst"),
    [("steps_to_target", (900.0, None), math.inf), ("val/accuracy", (-3.0, None), -math.inf)],
)
def test_a_finished_run_without_the_number_counts_as_the_worst(metric, numbers, worst):
    """As where the target was never met: what is known is a bound alone."""
    ablation = dataclasses.replace(QUESTION, metrics={metric: "", "test/error": ""}, select=metric)
    for order in (numbers, numbers[::-1]):
        given = dict(zip((0.1, 0.2), order, strict=True))
        runs = {}
        for cell in ablation.tuning("a", "cpu"):
            number = given[cell.setting["lr"]]
            bound = {f"{metric}/censored_at": 0.0}
            runs[cell] = Run("finished", bound if number is None else {metric: number})
        assert given[choose(ablation, runs)["lr"]] == numbers[0]
        scores = [worst if number is None else number for number in order]
        assert [value for _, value in score(ablation, runs)] == scores


def test_the_mean_is_over_the_tuning_seeds():
    two = dataclasses.replace(QUESTION, scales={"cpu": {"seeds": 5, "tuning_seeds": 2}})
    numbers = iter((0.1, 0.4, 0.2, 0.2))  # seed by seed, setting by setting
    runs = {cell: Run("finished", {"val/error": next(numbers)}) for cell in two.tuning("a", "cpu")}
    assert choose(two, runs) == {"lr": 0.2}
    assert [value for _, value in score(two, runs)] == [0.25, 0.2]


SETTINGS = (0.1, 0.2, 0.3, 0.4, 0.5)
TABLE = {  # lr -> of three tuning seeds the val/error, val/loss, train/error; None for diverged
    0.1: [(0.10, 2.0, 0.10), (0.40, 2.0, 0.10), (0.31, 2.0, 0.10)],
    0.2: [(0.25, 3.0, 0.20), (0.20, 3.0, 0.20), (0.15, 3.0, 0.20)],  # the smallest mean
    0.3: [(0.34, 1.0, 0.15), (0.15, 1.0, 0.15), (0.14, 1.0, 0.15)],
    0.4: [(0.21, 5.0, 0.00), (0.21, 5.0, 0.00), (0.21, 5.0, 0.00)],
    0.5: [(0.01, 0.1, 0.01), None, (0.01, 0.1, 0.01)],
}
WRONG = {  # a rule -> what it would choose of the same table
    "train/error": (lambda rows: statistics.fmean(row[2] if row else 9 for row in rows), 0.4),
    "val/loss": (lambda rows: statistics.fmean(row[1] if row else 9 for row in rows), 0.3),
    "first seed": (lambda rows: rows[0][0], 0.5),
    "first seed of those that ran": (lambda rows: rows[0][0] if all(rows) else 9, 0.1),
    "second seed": (lambda rows: rows[1][0] if all(rows) else 9, 0.3),
    "last seed": (lambda rows: rows[2][0] if all(rows) else 9, 0.3),
    "best seed": (lambda rows: min(row[0] for row in rows if row), 0.5),
    "best seed of those that ran": (lambda rows: min(r[0] for r in rows) if all(rows) else 9, 0.1),
    "worst seed": (lambda rows: max(row[0] if row else 9 for row in rows), 0.4),
    "median": (lambda rows: statistics.median(row[0] if row else 9 for row in rows), 0.5),
    "median of those that ran": (
        lambda rows: statistics.median(r[0] for r in rows) if all(rows) else 9,
        0.3,
    ),
    "without the diverged": (lambda rows: statistics.fmean(row[0] for row in rows if row), 0.5),
    "largest mean": (lambda rows: -statistics.fmean(row[0] if row else -9 for row in rows), 0.1),
    "first of the grid": (lambda _: 0, 0.1),
}


def tuning_runs(ablation, sign=1):
    """The table as the runs of the ablation's tuning; with sign -1 larger is better."""
    runs = {}
    for cell in ablation.tuning("a", "cpu"):
        numbers = TABLE[cell.setting["lr"]][cell.seed - 1000]
        names = (ablation.select, "val/loss", "train/error", "test/error")
        if numbers is None:  # what was reached before counts for nothing
            runs[cell] = Run("diverged", {ablation.select: sign * 0.001})
        else:
            values = (sign * numbers[0], *numbers[1:], numbers[1])
            runs[cell] = Run("finished", dict(zip(names, values, strict=True)))
    return runs


def test_the_table_tells_each_wrong_rule_from_the_right_one():
    for name, (rule, choice) in WRONG.items():
        assert min(SETTINGS, key=lambda lr, rule=rule: rule(TABLE[lr])) == choice != 0.2, name


@pytest.mark.parametrize(("metric", "sign"), [("val/error", 1), ("val/accuracy", -1)])
@pytest.mark.parametrize("grid", [SETTINGS, SETTINGS[::-1], (0.3, 0.5, 0.2, 0.1, 0.4)])
def test_the_choice_is_the_best_mean_of_the_selected_metric_over_all_tuning_seeds(
    grid, metric, sign
):
    scales = {"cpu": {"seeds": 5, "tuning_seeds": 3}}
    metrics = {metric: "share", "test/error": "share"}
    more = {"tune": {"lr": grid}, "scales": scales, "metrics": metrics, "select": metric}
    ablation = dataclasses.replace(QUESTION, **more)
    runs = tuning_runs(ablation, sign)
    assert choose(ablation, runs) == {"lr": 0.2}
    backwards = dict(reversed(runs.items()))
    assert choose(ablation, backwards) == {"lr": 0.2}
    means = {entry["lr"]: mean for entry, mean in score(ablation, runs)}
    assert means[0.2] == pytest.approx(sign * 0.2)


# devices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elsewhere", "note"),
    [
        ((), ""),
        ([("tune", "a", 1000)], ""),  # a tuning pairs nothing
        ([("evaluate", "c", 2)], ""),  # and the claim is not about c
        ([("evaluate", "b", 2)], "1 of 5 seeds pair runs of unequal devices"),
        (
            [("evaluate", "a", 0), ("evaluate", "b", 0), ("evaluate", "a", 4)],
            "1 of 5 seeds pair runs of unequal devices",  # both runs of seed 0 are there
        ),
    ],
)
def test_seeds_whose_runs_come_from_unequal_devices_are_counted(elsewhere, note):
    ablation = dataclasses.replace(QUESTION, arms={**QUESTION.arms, "c": {"arm": "c"}})
    runs = {}
    for k, cell in enumerate(ablation.cells("cpu")):
        device = "other" if (cell.purpose, cell.arm, cell.seed) in elsewhere else "one"
        error = {"a": 0.5, "b": 0.2, "c": 0.1}[cell.arm] + k * k / 10_000
        runs[cell] = Run("finished", {"test/error": error}, (), {"device": device})
    assert judge_runs(ablation, "cpu", runs)[CLAIM].note == note


# pulling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "end"),
    [
        ((0.1, 0.2, 0.3), "smallest"),
        ((0.2, 0.1, 0.3), None),
        ((math.inf, 0.3, 0.2), "largest"),
        ((0.1, 0.1, 0.1), None),  # any will do
    ],
)
def test_a_choice_at_the_edge_of_its_grid(scores, end):
    tried = [({"lr": lr}, number) for lr, number in zip((0.1, 0.2, 0.3), scores, strict=True)]
    assert edge(tried, min(tried, key=lambda entry: entry[1])[0]) == end
    assert edge(tried[:1], {"lr": 0.1}) is None
    assert edge([({"k": 1}, 0.1), ({"k": 2}, 0.2)], {"k": 1}) is None


def test_a_claim_pulls_the_cells_it_needs_and_they_are_not_run_again(store):
    first = Runner(store)
    verdict = first.judge(QUESTION, "cpu")[CLAIM]
    assert first.trained == len(CALLS) == 2 * 2 + 2 * 5
    again = Runner(store)
    assert again.judge(QUESTION, "cpu")[CLAIM] == verdict
    assert again.trained == 0
    edge_of = "lr 0.1 is the smallest that was tried"
    assert again.edges(QUESTION, "cpu") == {"a": edge_of, "b": edge_of}
    there = judge_runs(QUESTION, "cpu", store.runs(QUESTION, "cpu"))  # the report's way
    assert there[CLAIM] == verdict


def two_knobs(config, _seed, log, tuning):
    """The error is the distance of the knobs from the best ones."""
    knobs = config["lr"], config["net"]["width"]
    CALLS.append((tuple(config["best"]), knobs, tuning))
    error = sum(abs(one - other) for one, other in zip(knobs, config["best"], strict=True))
    log("val/error", error, 1)
    return {"val/error": error, "test/error": error}


WIDE, FAST = (0.1, 3), (0.2, 3)
TUNED = dataclasses.replace(
    QUESTION,
    train=two_knobs,
    config={"lr": 0.1, "net": {"width": 1}, "best": WIDE},
    arms={"a": {}, "b": {"best": FAST}},
    tune={"lr": (0.1, 0.2), "net.width": (1, 3)},
)


def test_an_arm_is_evaluated_with_every_part_of_the_setting_that_its_own_tuning_chose(store):
    """Of its ablation and scale too: here arms of one name have other choices elsewhere."""
    other = dataclasses.replace(TUNED, name="y", arms={"a": {"best": FAST}, "b": {}})
    runner = Runner(store)
    for ablation, arm, best in ((TUNED, "a", WIDE), (TUNED, "b", FAST), (other, "a", FAST)):
        cells = runner.resolve(ablation, arm, "cpu")
        assert {(cell.ablation, cell.arm) for cell in cells} == {(ablation.name, arm)}
        setting = dict(zip(("lr", "net.width"), best, strict=True))
        assert [dict(cell.setting) for cell in cells] == [setting] * 5
        run = runner.run(ablation, ablation.evaluation(arm, "cpu")[2])
        assert run.summary["test/error"] == 0
    assert {cell.scale for cell in runner.resolve(TUNED, "a", "smoke")} == {"smoke"}
    evaluated = [(best, knobs) for best, knobs, tuning in CALLS if not tuning]
    assert evaluated == [(WIDE, WIDE), (FAST, FAST)]  # an equal cell's run is copied


def test_a_store_that_goes_away_does_not_make_finished_cells_anew(tmp_path, migrated):
    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    (tmp_path / "later").mkdir()
    shutil.copy(migrated, tmp_path / "later" / "mlflow.db")
    Runner(Store(uri, tmp_path)).pull(TUNING)
    (tmp_path / "later").rename(tmp_path / "away")
    (tmp_path / "later").touch()
    runner = Runner(Store(uri, tmp_path))
    assert len(runner.pull(TUNING)) == 2
    assert runner.trained == 0


def test_rerun_trains_again_once(store):
    Runner(store).pull(TUNING)
    forced = Runner(store, since=time.time())
    forced.pull(TUNING)
    forced.pull(TUNING)
    assert forced.trained == 2


def test_another_ablations_equal_cells_are_copied_not_trained(store):
    Runner(store).pull(TUNING)
    twin = dataclasses.replace(
        QUESTION, name="twin", arms={"same": {}, "b": {"arm": "b"}}, claims=()
    )
    runner = Runner(store)
    runner.pull(twin.tuning("same", "cpu"))
    assert runner.trained == 0
    copies = store.runs(twin, "cpu", history=True)
    assert {cell.arm for cell in copies} == {"same"}
    assert sorted(run.summary["val/error"] for run in copies.values()) == sorted(
        run.summary["val/error"] for run in store.runs(QUESTION, "cpu").values()
    )


def test_a_cell_that_another_worker_holds_is_waited_for(store):
    key = fingerprint(TUNING[0])
    held = FileLock(store.spool.locks / f"{key}.lock")
    held.acquire()
    runner = Runner(store)
    worker = threading.Thread(target=runner.pull, args=(TUNING,))
    worker.start()
    patience = time.monotonic() + HANGING
    while runner.trained == 0 and time.monotonic() < patience:
        worker.join(0.05)
    assert worker.is_alive()
    assert runner.trained == 1  # the other cell, meanwhile
    store.save(TUNING[0], key, TUNING[0].work.run(TUNING[0]))
    held.release()
    worker.join(HANGING)
    assert not worker.is_alive()
    assert runner.trained == 1


@pytest.mark.parametrize("session", ["another", "mine"])
def test_who_waits_for_another_session_says_for_whom(store, monkeypatch, session):
    said, key = [], fingerprint(TUNING[0])
    monkeypatch.setattr("dlgbench.spool.say", said.append)
    monkeypatch.setattr("dlgbench.spool.PATIENCE", 0.0)
    (store.spool.locks / f"{key}.holder").write_text(f"{session} 4711")
    with FileLock(store.spool.locks / f"{key}.lock"):
        runner = Runner(store, session="mine")
        worker = threading.Thread(target=runner.pull, args=(TUNING[:1],))
        worker.start()
        worker.join(3)  # it looks again every second
        assert worker.is_alive()
        store.save(TUNING[0], key, TUNING[0].work.run(TUNING[0]))
    worker.join(HANGING)
    assert not worker.is_alive()
    if session == "mine":  # a worker of one's own session is busy, and needs no word
        assert not said
        return
    (line,) = said  # once
    assert line.startswith("waiting for another session, busy or stopped, that trains cell ")
    assert line.endswith(": process 4711")


def test_a_cell_in_training_or_before_it_names_its_process(store, monkeypatch):
    seen = []

    def look(cell):
        seen.append((store.spool.locks / f"{fingerprint(cell)}.holder").read_text())
        raise ValueError

    @contextlib.contextmanager
    def look_first(_session):  # who waits for the machine has its cells already
        with contextlib.suppress(ValueError):
            look(TUNING[0])
        yield

    monkeypatch.setattr(machine, "shared", look_first)
    monkeypatch.setattr(type(TUNING[0].work), "run", lambda _self, cell: look(cell))
    with pytest.raises(CellFailed):
        Runner(store, session="mine").pull(TUNING[:1])
    assert seen == [f"mine {os.getpid()}"] * 2
    assert not list(store.spool.locks.glob("*.holder"))


@pytest.mark.parametrize("timing", [False, True])
def test_a_cell_that_is_timed_has_the_machine_alone(store, tmp_path, monkeypatch, timing):
    def beside():
        with machine.shared():
            has.set()

    def look(work, cell):
        other.start()
        seen.append(has.wait(0.3 if cell.timing else HANGING))
        return run(work, cell)

    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(tmp_path))
    seen, has, other = [], threading.Event(), threading.Thread(target=beside)
    (cell, *_) = dataclasses.replace(QUESTION, timing=timing).tuning("a", "cpu")
    run = type(cell.work).run
    monkeypatch.setattr(type(cell.work), "run", look)
    Runner(store).pull([cell])
    other.join(HANGING)
    assert has.is_set()
    assert seen == [not timing]


def test_a_run_survives_a_store_out_of_reach_and_the_user_is_told(tmp_path, migrated):
    (tmp_path / "later").touch()  # a file where the folder should be
    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    away = Store(uri, tmp_path)
    runner = Runner(away)
    (run,) = runner.pull(TUNING[:1])
    (notice,) = runner.take_notices()
    assert f"{uri} is out of reach" in notice
    assert str(away.spool.folder) in notice
    assert runner.take_notices() == []
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()
    shutil.copy(migrated, tmp_path / "later" / "mlflow.db")
    back = Runner(Store(uri, tmp_path))
    assert back.pull(TUNING[:1]) == [run]  # from the spool
    assert back.trained == 0


def test_what_is_judged_is_what_is_stored_also_after_a_look_up_that_failed(store, monkeypatch):
    cells = dataclasses.replace(QUESTION, timing=True).tuning("a", "cpu")
    before, find, answers = Runner(store).pull(cells), Store.find, [None, None]

    def fail_once(*args):
        if answers:
            answers.pop()
            raise DlgbenchError("locked")
        return find(*args)

    slow = Run("finished", {"val/error": 9.0, "test/error": 9.0})
    monkeypatch.setattr(type(cells[0].work), "run", lambda *_: slow)
    monkeypatch.setattr(Store, "find", fail_once)
    runner = Runner(store)
    (run,) = runner.pull(cells[:1])
    assert runner.trained == 1
    assert run.summary == before[0].summary


def test_folders_that_are_removed_in_mid_session_cost_nothing(store):
    runner = Runner(store)
    for cell in TUNING:
        runner.pull([cell])
        shutil.rmtree(store.root / ".dlgbench")
    assert (runner.trained, runner.take_notices(), runner.take_lost()) == (2, [], 0)
    assert set(store.runs(QUESTION, "cpu")) == set(TUNING)


def test_what_is_not_kept_is_not_said_to_be(store, monkeypatch):
    def failing(text):
        return lambda *_args: (_ for _ in ()).throw(DlgbenchError(text))

    monkeypatch.setattr(Store, "find", failing("find fails"))
    monkeypatch.setattr(Store, "save_verdict", failing("save fails"))
    runner = Runner(store)
    runner.judge(QUESTION, "cpu")
    unsaved = "save fails. Not all verdicts of x are stored; the next call does so"
    assert runner.take_notices() == ["find fails", unsaved]


def test_once_a_run_can_be_kept_nowhere_nothing_more_is_trained(store, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    monkeypatch.setattr(Store, "_experiment", full)
    runner = Runner(store)
    with pytest.raises(RunLost, match="make room, and call again"):
        runner.pull(TUNING)
    assert runner.trained == 1
    assert (runner.take_lost(), runner.take_lost()) == (1, 0)
    (notice,) = runner.take_notices()
    assert "is lost" in notice
    assert "are kept" not in notice


# failing ------------------------------------------------------------------------------------------


def test_a_cell_that_raises_fails_alone_with_the_users_own_traceback(store):
    BROKEN.add(("a", False))
    runner = Runner(store, session="one")
    cell, other = (QUESTION.evaluation(arm, "cpu")[2] for arm in ("a", "b"))
    with pytest.raises(CellFailed) as raised:
        runner.run(QUESTION, cell)
    failure = raised.value
    assert failure.cell.id == "a-s2"
    assert isinstance(failure.own, ValueError)
    first, second, *_, last = failure.text.strip().splitlines()
    assert (first, last) == (
        "Traceback (most recent call last):",
        "ValueError: no luck with seed 2",
    )
    assert second.startswith(f'  File "{__file__}", line ')  # nothing of ours before it
    assert "helper(seed)" in failure.text
    message = "cell a-s2 failed: ValueError: no luck with seed 2; its own test tells where"
    assert str(failure) == message
    assert runner.run(QUESTION, other).status == "finished"
    assert runner.run(QUESTION, QUESTION.tuning("a", "cpu")[0]).status == "finished"


def test_a_probe_that_raises_has_its_own_traceback_too(store, monkeypatch):
    monkeypatch.setattr(PROBES, "_parts", dict(PROBES))
    register_probe("luckless", when="start", metrics={"luck": "none"})(lambda _: helper(7))
    recipe = Recipe(model="mlp", model_args={"hidden": (4,)}, steps=0, probes=("luckless",))
    with pytest.raises(CellFailed) as raised:
        Runner(store, session="one").pull([Cell("x", "a", 0, "cpu", recipe)])
    _, second, *_, last = raised.value.text.strip().splitlines()
    assert second.startswith(f'  File "{__file__}", line ')
    assert last == "ValueError: no luck with seed 7"


def test_a_claim_says_which_cell_failed(store):
    BROKEN.add(("b", True))
    runner = Runner(store, session="one")
    with pytest.raises(CellFailed, match=r"cell b-tune-lr=0.1-s1000 failed: ValueError: no luck"):
        runner.judge(QUESTION, "cpu")
    assert store.last_verdicts() == {}


def test_what_failed_is_not_tried_again_in_its_session_but_in_the_next(store):
    BROKEN.add(("a", True))
    texts = []
    for _worker in range(2):
        with pytest.raises(CellFailed) as raised:
            Runner(store, session="one").pull(TUNING)
        texts.append((raised.value.text, str(raised.value)))
    assert texts[0] == texts[1]
    assert CALLS == [("a", 1000)]
    with pytest.raises(CellFailed):
        Runner(store, session="two").pull(TUNING)
    assert len(CALLS) == 2
    BROKEN.clear()
    assert len(Runner(store, session="three").pull(TUNING)) == 2


def test_a_mistake_with_a_message_of_ours_needs_no_traceback(store):
    announced = {"val/error": "on validation", "test/error": "on test", "val/auc": "forgotten"}
    mistaken = dataclasses.replace(QUESTION, metrics=announced)
    with pytest.raises(CellFailed) as raised:
        Runner(store, session="one").pull(mistaken.tuning("a", "cpu"))
    assert raised.value.own is None
    assert raised.value.text.startswith("train: expected the metrics that the ablation announces")
    assert "val/auc announced and not returned" in str(raised.value)


# cells that go together ---------------------------------------------------------------------------

NETS = Ablation(
    question="Which?",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (4,)},
        data="digits",
        data_args={"train": 100, "val": 50},
        steps=4,
        evaluations=2,
    ),
    arms={
        "a": {"weight_decay": 0.2},
        "b": {"weight_decay": 0.1},
        "deep": {"model_args.hidden": (4, 4)},
    },
    tune={"lr": (0.1, 0.2)},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 2}},
    name="nets",
)
WANTED = [(NETS, cell) for cell in NETS.cells("cpu")]


@pytest.fixture
def groups(monkeypatch):
    """The ids of the cells that are trained together, group after group."""
    trained = []
    train = lanes.train

    def record(cells):
        trained.append([cell.id for cell in cells])
        if any(cell.seed in BROKEN for cell in cells):
            raise ValueError("no luck with a lane")
        return train(cells)

    monkeypatch.setattr(lanes, "train", record)
    return trained


def test_cells_of_a_session_are_trained_together_across_arms(store, groups):
    runner = Runner(store, wanted=WANTED)
    for number, (_, cell) in enumerate(WANTED):
        assert runner.run(NETS, cell).status == "finished"
        if number == 0:  # the tuning of all arms of this architecture
            together = [other.id for _, other in WANTED if other.purpose == "tune"]
            assert groups == [[name for name in together if not name.startswith("deep")]]
    tuned, tuned_deep, evaluated, evaluated_deep = map(set, groups)
    assert len(tuned) == 8
    assert len(tuned_deep) == 4
    assert evaluated == {f"{arm}-s{seed}" for arm in "ab" for seed in range(5)}
    assert evaluated_deep == {f"deep-s{seed}" for seed in range(5)}
    assert runner.trained == len(WANTED)


def test_a_cell_alone_gives_the_run_that_it_gives_in_company(tmp_path, fresh, groups):
    for name in ("together", "alone"):
        (tmp_path / name).mkdir()
    cell = NETS.tuning("b", "cpu")[3]
    company = Runner(fresh(tmp_path / "together"), wanted=WANTED).run(NETS, cell)
    alone = Runner(fresh(tmp_path / "alone")).run(NETS, cell)
    assert list(map(len, groups)) == [8, 1]
    assert alone.history == company.history
    assert alone.summary | {"seconds": 0} == company.summary | {"seconds": 0}


def test_an_evaluation_waits_for_no_other_arm(store, groups):
    Runner(store, wanted=WANTED).run(NETS, NETS.evaluation("a", "cpu")[2])
    # its own arm's tuning comes first, with what goes with it; arm deep is not tuned yet
    assert list(map(len, groups)) == [8, 10]


def test_an_evaluation_takes_no_tuning_of_another_arm_along(store, groups):
    Runner(store).pull(NETS.tuning("a", "cpu"))
    groups.clear()
    Runner(store, wanted=WANTED).run(NETS, NETS.evaluation("a", "cpu")[2])
    (group,) = groups
    assert set(group) == {f"a-s{seed}" for seed in range(5)}


def test_a_lane_that_raises_fails_alone(store, groups):
    BROKEN.add(1001)
    runner = Runner(store, session="one", wanted=WANTED)
    good, bad = NETS.tuning("a", "cpu")[:2]
    assert runner.run(NETS, good).status == "finished"
    assert list(map(len, groups)) == [8, 1]  # together, then each at its own turn
    assert runner.trained == 1
    with pytest.raises(CellFailed, match=r"a-tune-lr=0.1-s1001 failed: ValueError: no luck with"):
        runner.run(NETS, bad)
    assert list(map(len, groups)) == [8, 1, 1]
    with pytest.raises(CellFailed, match=r"a-tune-lr=0.1-s1001 failed"):  # in another worker too
        Runner(store, session="one", wanted=WANTED).run(NETS, bad)
    assert runner.run(NETS, NETS.tuning("b", "cpu")[0]).status == "finished"
    assert list(map(len, groups)) == [8, 1, 1, 1]


def test_a_worker_does_what_is_next_while_another_holds_its_cell(store, groups):
    mine = NETS.tuning("a", "cpu")[0]
    with FileLock(store.spool.locks / f"{fingerprint(mine)}.lock"):
        runner = Runner(store, wanted=WANTED)
        worker = threading.Thread(target=runner.run, args=(NETS, mine))
        worker.start()
        patience = time.monotonic() + HANGING
        while runner.trained < 11 and time.monotonic() < patience:  # all the tuning but `mine`
            worker.join(0.05)
        assert worker.is_alive()
        assert list(map(len, groups)) == [7, 4]
        store.save(mine, fingerprint(mine), mine.work.run(mine))
    worker.join(HANGING)
    assert not worker.is_alive()
    assert runner.trained == 11


def test_an_interruption_loses_the_group_in_flight_alone(store, groups, monkeypatch):
    Runner(store, wanted=WANTED).run(NETS, WANTED[0][1])

    def interrupted(_cells):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lanes, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Runner(store, wanted=WANTED).run(NETS, NETS.tuning("deep", "cpu")[0])
    again = Runner(store, wanted=WANTED)
    for _, cell in WANTED:
        again.run(NETS, cell)
    assert list(map(len, groups)) == [8, 4, 10, 5]
