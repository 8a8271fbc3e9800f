import dataclasses
import json
import subprocess
import sys

import pytest

from dlgbench import Ablation, Claim, DlgbenchError, Recipe, Run, Verdict, at_least, difference
from dlgbench.tracking import COLUMNS, Store, find_uri, to_frame

RECIPE = Recipe(model="mlp", data="digits", steps=10, model_args={"hidden": (3,)})
ABLATION = Ablation(
    question="Q?", slide="S", recipe=RECIPE, arms={"a": {}, "b": {"lr": 0.3}}, scales={"cpu": {"seeds": 5, "tuning_seeds": 1}, "gpu": {}},
    claims=[Claim("B is better", difference("test/error", "a", "b"), at_least(0.1))], tune={"weight_decay": (0.0, 0.1)}, name="x/y",
)  # fmt: skip
RUN = Run(
    "finished",
    {"test/error": 0.1 + 0.2, "seconds": 1.5},
    (("val/error", 5, 0.5), ("val/error", 10, 0.25)),
    {"device": "d", "git": "g", "version.torch": "2"},
)
CELLS = ABLATION.cells("cpu")
TUNING, READY = CELLS[0], CELLS[4].chosen({"weight_decay": 0.1})


@pytest.fixture
def store(tmp_path):
    return Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)


def test_a_run_comes_back_as_it_went(store):
    store.save(READY, "f1", RUN)
    store.save(TUNING, "f2", RUN)
    run, own = store.find("x/y", "f1")
    assert own
    assert (run.status, run.summary) == (RUN.status, RUN.summary)  # to the last bit
    runs = store.runs(ABLATION, "cpu", history=True)
    assert set(runs) == {READY, TUNING}
    assert runs[READY].history == RUN.history
    assert {name: runs[READY].provenance[name] for name in RUN.provenance} == RUN.provenance
    assert not list(store.spool.glob("*"))


def test_what_a_store_lacks_is_not_found(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/a b.db", tmp_path)
    assert store.find("x/y", "f1") is None  # no file yet
    store.save(READY, "f1", RUN)
    assert store.find("x/y", "f1")[1]
    assert store.find("x/y", "f2") is None
    (run,) = store._client.search_runs([store._client.get_experiment_by_name("x/y").experiment_id])
    store._client.delete_run(run.info.run_id)
    assert store.find("x/y", "f1") is None  # the tag is still there
    store.save(
        READY,
        "f1",
        dataclasses.replace(
            RUN, history=tuple(("train/loss", step, 1.0) for step in range(1, 2001))
        ),
    )
    assert len(store.runs(ABLATION, "cpu", history=True)[READY].history) == 2000


def test_mlflow_shows_params_tags_and_curves(store):
    store.save(READY, "f1", RUN)
    experiment = store._client.get_experiment_by_name("x/y")
    (run,) = store._client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "a-s0"
    assert {
        "lr": "0.1",
        "model_args.hidden": "[3]",
        "weight_decay": "0.1",
    }.items() <= run.data.params.items()
    assert {
        "dlgbench.fingerprint": "f1",
        "dlgbench.arm": "a",
        "dlgbench.seed": "0",
        "dlgbench.scale": "cpu",
    }.items() <= run.data.tags.items()
    assert run.data.metrics == {"test/error": 0.1 + 0.2, "seconds": 1.5, "val/error": 0.25}


def test_a_run_of_an_older_recipe_is_not_among_the_runs(store):
    store.save(READY, "f1", RUN)
    changed = Ablation(
        **{
            f: getattr(ABLATION, f)
            for f in ("question", "slide", "arms", "scales", "claims", "tune", "name")
        },
        recipe=RECIPE.override(batch_size=7),
    )
    assert store.runs(changed, "cpu") == {}


def test_of_two_runs_of_one_cell_the_newest_counts(store):
    store.save(READY, "f1", RUN)
    store.save(CELLS[4].chosen({"weight_decay": 0.0}), "f2", Run("finished", {"test/error": 0.7}))
    runs = store.runs(ABLATION, "cpu")
    assert [run.summary["test/error"] for run in runs.values()] == [0.7]


def test_the_same_cell_of_another_ablation_is_found_with_its_curves(store):
    store.save(READY, "f1", RUN)
    run, own = store.find("other", "f1")
    assert not own
    assert run.history == RUN.history
    assert store.find("other", "f9") is None


def test_a_diverged_run_keeps_its_curve_out_of_its_summary(store):
    store.save(READY, "f1", Run("diverged", {"seconds": 1.0}, (("val/error", 5, 0.5),)))
    run, _ = store.find("x/y", "f1")
    assert (run.status, run.summary) == ("diverged", {"seconds": 1.0})


def test_to_frame_is_long_and_names_every_run():
    frame = to_frame({READY: RUN, CELLS[5]: Run("diverged", {})})
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 5
    assert frame.query("metric == 'val/error'")["step"].tolist() == [5, 10]
    assert frame["status"].tolist()[-1] == "diverged"


def test_a_store_out_of_reach_costs_nothing(tmp_path):
    (tmp_path / "later").touch()  # a file where the folder should be
    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    away = Store(uri, tmp_path)
    with pytest.raises(DlgbenchError, match=f"the tracking store {uri} is out of reach"):
        away.save(READY, "f1", RUN)
    assert len(list(away.spool.glob("*.json"))) == 1
    assert away.find("x/y", "f1")[0].summary == RUN.summary  # found in the spool
    with pytest.raises(DlgbenchError, match="out of reach"):
        away.push_spool()
    assert (
        Store(f"sqlite:///{tmp_path}/other.db", tmp_path).push_spool() == 0
    )  # it waits for its own store
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()
    back = Store(uri, tmp_path)
    assert back.push_spool() == 1
    assert back.push_spool() == 0
    assert len(back.runs(ABLATION, "cpu")) == 1


def test_a_full_disk_beside_a_store_with_room(store, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    store.save(READY, "f1", RUN)
    assert store.find("x/y", "f1")[1]
    assert not list(store.spool.iterdir())
    monkeypatch.setattr(Store, "_experiment", lambda *_: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(
        DlgbenchError, match=r"out of reach: gone; and .* can't be written .* is lost"
    ):
        store.save(TUNING, "f2", RUN)


def test_what_a_kill_left_half_written_is_replaced(store):
    store.save(READY, "f1", RUN)
    experiment = store._client.get_experiment_by_name("x/y").experiment_id
    half = store._client.create_run(
        experiment,
        tags={"dlgbench.fingerprint": "f2", "dlgbench.kind": "cell", "dlgbench.scale": "cpu"},
    )
    assert store.find("x/y", "f2") is None
    assert len(store.runs(ABLATION, "cpu")) == 1
    store.save(TUNING, "f2", RUN)
    assert store.find("x/y", "f2")[1]
    left = store._client.search_runs([experiment], "tags.`dlgbench.fingerprint` = 'f2'")
    assert [run.info.status for run in left] == ["FINISHED"]
    assert half.info.run_id not in {run.info.run_id for run in left}


def test_a_kill_between_store_and_spool_doubles_nothing(store):
    store.save(READY, "f1", RUN)
    (sent,) = (store._state / "sent").iterdir()
    sent.rename(store.spool / "x.y-f1.json")  # as it was before the kill
    store.push_spool()
    assert (
        len(store._client.search_runs([store._client.get_experiment_by_name("x/y").experiment_id]))
        == 1
    )


def test_a_corrupt_spool_file_is_set_aside(store):
    (store.spool / "x.y-f1.json").write_text('{"cell": ')
    assert store.push_spool() == 0
    assert store.find("x/y", "f1") is None
    assert [file.name for file in store.spool.iterdir()] == ["x.y-f1.corrupt"]


def test_runs_of_two_precisions_or_two_engines_are_never_paired(store):
    half = dataclasses.replace(
        ABLATION, scales={"cpu": {"seeds": 5, "tuning_seeds": 1, "precision": "bf16"}, "gpu": {}}
    )
    old, new = (dataclasses.replace(RUN, provenance={"engine": engine}) for engine in ("e1", "e2"))
    store.save(READY, "f1", old)
    assert store.runs(half, "cpu") == {}
    other = next(cell for cell in CELLS if cell.id == "a-s1").chosen({"weight_decay": 0.1})
    store.save(other, "f2", new)
    assert set(store.runs(ABLATION, "cpu")) == {other}


def test_since_leaves_older_runs_out(store):
    store.save(READY, "f1", RUN)
    assert store.find("x/y", "f1", since=0.0) is not None
    assert store.find("x/y", "f1", since=4e9) is None


def test_a_verdict_is_stored_once_and_read_without_mlflow(store):
    claim = ABLATION.claims[0]
    verdict = Verdict("supported", 0.2, (0.15, float("inf")), 0.95, 0.01, 5, (0.2,) * 5, "paired t")
    store.save_verdict(ABLATION, "cpu", claim, verdict)
    store.save_verdict(ABLATION, "cpu", claim, verdict)
    runs = store._client.search_runs([store._client.get_experiment_by_name("x/y").experiment_id])
    assert len(runs) == 1
    assert runs[0].data.metrics == {"effect": 0.2, "lower": 0.15, "n": 5.0, "p": 0.01}
    last = store.last_verdicts()["x/y", "b-is-better"]
    assert (last["verdict"], last["scale"], json.loads(last["figures"])["effect"]) == (
        "supported",
        "cpu",
        0.2,
    )
    store.save_verdict(
        ABLATION,
        "cpu",
        claim,
        Verdict("refuted", 0.0, (0.0, 0.0), 0.95, 0.01, 5, (0.0,) * 5, "paired t"),
    )
    assert store.last_verdicts()["x/y", "b-is-better"]["verdict"] == "refuted"


def test_no_store_yet_means_no_verdicts_and_makes_no_file(tmp_path):
    assert Store(f"sqlite:///{tmp_path}/none.db", tmp_path).last_verdicts() == {}
    assert not (tmp_path / "none.db").exists()


def test_figures_are_artifacts_and_the_newest_replace_the_old(store, tmp_path):
    (tmp_path / "f.png").write_bytes(b"1")
    for _ in range(2):
        store.attach("x/y", [tmp_path / "f.png"])
    (run,) = store._client.search_runs(
        [store._client.get_experiment_by_name("x/y").experiment_id],
        "tags.`dlgbench.kind` = 'figures'",
    )
    assert [entry.path for entry in store._client.list_artifacts(run.info.run_id)] == ["f.png"]


def test_several_processes_may_open_a_fresh_store_at_once(tmp_path):
    code = f"from pathlib import Path; from dlgbench.tracking import Store; Store('sqlite:///{tmp_path}/m.db', Path('{tmp_path}')).open()"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in processes] == [
        ("", 0)
    ] * 3


def test_where_the_store_is(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert find_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    assert find_uri(tmp_path) == "http://there"
    assert find_uri(tmp_path, "sqlite:///mine.db") == "sqlite:///mine.db"
