import time

import pytest

from dlgbench import Ablation, Claim, Recipe, Run, at_least, difference
from dlgbench.judging import choose, judge_runs, score
from dlgbench.runner import Runner
from dlgbench.tracking import Store

ABLATION = Ablation(
    question="Q?", slide="S", recipe=Recipe(model="mlp", model_args={"hidden": (4,)}, data="xor", data_args={"train": 100, "val": 50}, steps=5, evaluations=1),
    arms={"a": {}, "b": {"model_args.hidden": (5,)}}, scales={"cpu": {"seeds": 5, "tuning_seeds": 1}, "gpu": {}},
    claims=[Claim("B is better", difference("test/error", "a", "b"), at_least(0.1))], tune={"lr": (0.1, 0.2)}, name="x",
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)


def runs_of(ablation, by_lr):
    runs = {}
    for cell in ablation.tuning("a", "cpu"):
        error = by_lr[cell.setting["lr"]]
        runs[cell] = Run("diverged", {}) if error is None else Run("finished", {"val/error": error})
    return runs


def test_the_smallest_mean_wins_and_a_diverged_run_is_the_worst():
    assert choose(ABLATION, runs_of(ABLATION, {0.1: 0.3, 0.2: 0.2})) == {"lr": 0.2}
    assert choose(ABLATION, runs_of(ABLATION, {0.1: 0.3, 0.2: None})) == {"lr": 0.1}
    assert choose(ABLATION, runs_of(ABLATION, {0.1: 0.3, 0.2: 0.3})) == {
        "lr": 0.1
    }  # of equals the first
    assert score(ABLATION, runs_of(ABLATION, {0.1: 0.3, 0.2: None})) == [
        ({"lr": 0.1}, 0.3),
        ({"lr": 0.2}, float("inf")),
    ]


def test_a_claim_pulls_the_cells_it_needs_and_they_are_not_run_again(store):
    first = Runner(store)
    verdict = first.judge(ABLATION, "cpu")[ABLATION.claims[0]]
    assert first.trained == 2 * 2 + 2 * 5
    again = Runner(store)
    assert again.judge(ABLATION, "cpu")[ABLATION.claims[0]] == verdict
    assert again.trained == 0
    assert (
        judge_runs(ABLATION, "cpu", store.runs(ABLATION, "cpu"))[ABLATION.claims[0]] == verdict
    )  # the report's way


def test_a_store_that_goes_away_does_not_make_finished_cells_anew(tmp_path):
    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    (tmp_path / "later").mkdir()
    Runner(Store(uri, tmp_path)).pull(ABLATION.tuning("a", "cpu"))
    (tmp_path / "later").rename(tmp_path / "away")
    (tmp_path / "later").touch()
    runner = Runner(Store(uri, tmp_path))
    assert len(runner.pull(ABLATION.tuning("a", "cpu"))) == 2
    assert runner.trained == 0


def test_rerun_trains_again_once(store):

    Runner(store).pull(ABLATION.tuning("a", "cpu"))
    forced = Runner(store, since=time.time())
    forced.pull(ABLATION.tuning("a", "cpu"))
    forced.pull(ABLATION.tuning("a", "cpu"))
    assert forced.trained == 2


def test_another_ablations_equal_cells_are_copied_not_trained(store):
    import dataclasses

    Runner(store).pull(ABLATION.tuning("a", "cpu"))
    twin = dataclasses.replace(
        ABLATION, name="twin", arms={"same": {}, "b": {"model_args.hidden": (5,)}}, claims=()
    )
    runner = Runner(store)
    runner.pull(twin.tuning("same", "cpu"))
    assert runner.trained == 0
    assert len(store.runs(twin, "cpu", history=True)) == 2


def test_a_cell_that_another_worker_holds_is_waited_for(store):
    import threading

    from filelock import FileLock

    from dlgbench.train import fingerprint, train

    cells = ABLATION.tuning("a", "cpu")
    held = FileLock(store.locks / f"{fingerprint(cells[0])}.lock")
    held.acquire()
    runner = Runner(store)
    worker = threading.Thread(target=runner.pull, args=(cells,))
    worker.start()
    patience = time.monotonic() + 60
    while runner.trained == 0 and time.monotonic() < patience:
        worker.join(0.1)
    assert worker.is_alive()
    assert runner.trained == 1  # the other cell, meanwhile
    store.save(cells[0], fingerprint(cells[0]), train(cells[0]))
    held.release()
    worker.join(60)
    assert not worker.is_alive()
    assert runner.trained == 1


def test_a_run_survives_a_store_out_of_reach_and_the_user_is_told(tmp_path):
    (tmp_path / "later").touch()  # a file where the folder should be
    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    away = Store(uri, tmp_path)
    runner = Runner(away)
    (run,) = runner.pull(ABLATION.tuning("a", "cpu")[:1])
    told = runner.told()
    assert f"{uri} is out of reach" in told
    assert str(away.spool) in told
    assert runner.told() == ""
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()
    back = Runner(Store(uri, tmp_path))
    assert back.pull(ABLATION.tuning("a", "cpu")[:1]) == [run]  # from the spool
    assert back.trained == 0
