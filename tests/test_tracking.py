import contextlib
import dataclasses
import http.server
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from dlgbench import (
    Ablation,
    Claim,
    DlgbenchError,
    Recipe,
    Run,
    Verdict,
    at_least,
    difference,
    slope,
)
from dlgbench.connection import BATCH, load_client
from dlgbench.records import to_record, to_tags
from dlgbench.spool import RunLost
from dlgbench.tracking import Store, find_uri

RECIPE = Recipe(model="mlp", data="digits", steps=10, model_args={"hidden": (3,)})
QUESTION = Ablation(
    question="Q?",
    slide="S",
    recipe=RECIPE,
    arms={"a": {}, "b": {"lr": 0.3}},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 1}, "gpu": {}},
    claims=[Claim("B is better", difference("test/error", "a", "b"), at_least(0.1))],
    tune={"weight_decay": (0.0, 0.1)},
    name="x/y",
)
RUN = Run(
    "finished",
    {"test/error": 0.1 + 0.2, "seconds": 1.5},
    (("val/error", 5, 0.5), ("val/error", 10, 0.25)),
    {"device": "d", "git": "g", "version.torch": "2"},
)
ARRAYS = {
    "filters/weights": np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(np.float32),
    "plane/labels": np.arange(6).reshape(2, 3),
}
PICTURED = dataclasses.replace(RUN, arrays=ARRAYS)
HANGING = 300  # seconds after which a test is taken to hang
CELLS = QUESTION.cells("cpu")
TUNING, READY = CELLS[0], CELLS[4].chosen({"weight_decay": 0.1})


def evaluation(cell_id):
    return next(cell for cell in CELLS if cell.id == cell_id).chosen({"weight_decay": 0.1})


def stored(store, which=""):
    """The runs of the experiment x/y as MLflow has them."""
    experiment = store._client.get_experiment_by_name("x/y").experiment_id
    return store._client.search_runs([experiment], which)


def equal(arrays, others):
    assert {name: (a.dtype, a.shape) for name, a in arrays.items()} == {
        name: (a.dtype, a.shape) for name, a in others.items()
    }
    assert all(np.array_equal(others[name], array) for name, array in arrays.items())


def test_a_run_comes_back_as_it_went(store):
    store.save(READY, "f1", RUN)
    store.save(TUNING, "f2", RUN)
    run, own = store.find("x/y", "f1")
    assert own
    assert (run.status, run.summary) == (RUN.status, RUN.summary)  # to the last bit
    runs = store.runs(QUESTION, "cpu", history=True)
    assert set(runs) == {READY, TUNING}
    assert runs[READY].history == RUN.history
    assert {name: runs[READY].provenance[name] for name in RUN.provenance} == RUN.provenance
    assert not list(store.spool.folder.glob("*"))


@pytest.mark.parametrize("direct", [True, False], ids=["by SQLite", "by MLflow's API"])
def test_arrays_survive_the_store_and_another_ablations_copy(direct, store, monkeypatch):
    if not direct:
        monkeypatch.setattr(store, "_file", None)  # as for a server
    store.save(READY, "f1", PICTURED)
    store.save(evaluation("a-s1"), "f2", RUN)
    (run,) = stored(store, "tags.`dlgbench.fingerprint` = 'f1'")
    assert [entry.path for entry in store._client.list_artifacts(run.info.run_id)] == ["arrays.npz"]
    runs = store.runs(QUESTION, "cpu", history=True)
    equal(runs[READY].arrays, ARRAYS)
    assert runs[evaluation("a-s1")].arrays == {}
    assert store.runs(QUESTION, "cpu")[READY].arrays == {}  # nothing is fetched that nobody draws
    copy, own = store.find("other", "f1")
    assert not own
    equal(copy.arrays, ARRAYS)
    other = dataclasses.replace(QUESTION, name="other")
    store.save(dataclasses.replace(READY, ablation="other"), "f1", copy)
    there = store.runs(other, "cpu", history=True)
    ((_, again),) = there.items()
    assert (again.history, again.summary) == (RUN.history, RUN.summary)
    equal(again.arrays, ARRAYS)


def test_arrays_that_wait_in_the_spool_reach_the_store(tmp_path, migrated):
    (tmp_path / "later").touch()  # a file where the folder should be
    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    away = Store(uri, tmp_path)
    with pytest.raises(DlgbenchError, match="out of reach"):
        away.save(READY, "f1", PICTURED)
    equal(away.find("x/y", "f1")[0].arrays, ARRAYS)
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()
    shutil.copy(migrated, tmp_path / "later" / "mlflow.db")
    back = Store(uri, tmp_path)
    assert back.push_spool() == (1, [])
    equal(back.runs(QUESTION, "cpu", history=True)[READY].arrays, ARRAYS)


def test_an_artifact_that_is_gone_costs_the_pictures_alone(store):
    store.save(READY, "f1", PICTURED)
    shutil.rmtree(store.root / "mlruns")
    run = store.runs(QUESTION, "cpu", history=True)[READY]
    assert (dict(run.arrays), run.history) == ({}, RUN.history)


def test_what_a_store_lacks_is_not_found(fresh, tmp_path):
    store = fresh(tmp_path, "a b.db")
    assert store.find("x/y", "f1") is None
    store.save(READY, "f1", RUN)
    assert store.find("x/y", "f1")[1]
    assert store.find("x/y", "f2") is None
    (run,) = stored(store)
    store._client.delete_run(run.info.run_id)
    assert store.find("x/y", "f1") is None  # the tag is still there
    curve = tuple(("train/loss", step, 1.0) for step in range(1, 2001))
    store.save(READY, "f1", dataclasses.replace(RUN, history=curve))
    assert len(store.runs(QUESTION, "cpu", history=True)[READY].history) == 2000


def test_mlflow_shows_params_tags_and_curves(store):
    store.save(READY, "f1", RUN)
    (run,) = stored(store)
    assert run.info.run_name == "a-s0"
    params = {"lr": "0.1", "model_args.hidden": "[3]", "weight_decay": "0.1"}
    assert params.items() <= run.data.params.items()
    tags = {"fingerprint": "f1", "arm": "a", "seed": "0", "scale": "cpu"}
    assert {
        f"dlgbench.{name}": text for name, text in tags.items()
    }.items() <= run.data.tags.items()
    assert run.data.metrics == {"test/error": 0.1 + 0.2, "seconds": 1.5, "val/error": 0.25}


def test_a_run_of_an_older_recipe_is_not_among_the_runs(store):
    store.save(READY, "f1", RUN)
    changed = dataclasses.replace(QUESTION, recipe=RECIPE.override(batch_size=7))
    assert store.runs(changed, "cpu") == {}


def test_of_two_runs_of_one_cell_the_newest_counts(store):
    store.save(READY, "f1", RUN)
    store.save(CELLS[4].chosen({"weight_decay": 0.0}), "f2", Run("finished", {"test/error": 0.7}))
    runs = store.runs(QUESTION, "cpu")
    assert [run.summary["test/error"] for run in runs.values()] == [0.7]


@pytest.mark.parametrize("direct", [True, False], ids=["by SQLite", "by MLflow's API"])
def test_of_a_run_and_its_reruns_the_newest_counts(direct, store, monkeypatch):
    if not direct:
        monkeypatch.setattr(store, "_file", None)  # as for a server
    for hours, error in enumerate((0.3, 0.1, 0.2)):
        rerun = dataclasses.replace(RUN, summary={"test/error": error})
        store.save(READY, "f1", rerun, time.time() + 3600 * hours if hours else 0.0)
    assert len(stored(store)) == 3
    for ablation in ("x/y", "other"):  # its own, and one that would copy it
        run, own = store.find(ablation, "f1")
        assert (own, run.summary) == (ablation == "x/y", {"test/error": 0.2})
    assert store.runs(QUESTION, "cpu")[READY].summary == {"test/error": 0.2}


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


def test_a_store_out_of_reach_costs_nothing(tmp_path, fresh, migrated):
    (tmp_path / "later").touch()  # a file where the folder should be
    uri = f"sqlite:///{tmp_path}/later/mlflow.db"
    away = Store(uri, tmp_path)
    with pytest.raises(DlgbenchError, match=f"the tracking store {uri} is out of reach"):
        away.save(READY, "f1", RUN)
    assert len(away.spool.waiting()) == 1
    assert away.find("x/y", "f1")[0].summary == RUN.summary  # found in the spool
    with pytest.raises(DlgbenchError, match="out of reach"):
        away.push_spool()
    assert fresh(tmp_path, "other.db").push_spool() == (0, [])  # it waits for its own store
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()
    shutil.copy(migrated, tmp_path / "later" / "mlflow.db")
    back = Store(uri, tmp_path)
    assert back.push_spool() == (1, [])
    assert back.push_spool() == (0, [])
    assert len(back.runs(QUESTION, "cpu")) == 1


def test_a_full_disk_beside_a_store_with_room(store, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    store.save(READY, "f1", RUN)
    assert store.find("x/y", "f1")[1]
    assert not list(store.spool.folder.iterdir())
    monkeypatch.setattr(Store, "_experiment", lambda *_: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(
        RunLost, match=r"is lost: .* out of reach: OSError: gone; and .* can't be written"
    ):
        store.save(TUNING, "f2", RUN)


def test_a_failing_database_is_one_message_without_mlflows_log(store, capsys):
    verdict = Verdict("supported", 0.2, (0.1, 0.3), 0.95, 0.01, 5, (0.2,) * 5, "paired t")
    store.open()
    with contextlib.closing(sqlite3.connect(store.root / "mlflow.db")) as file:
        file.execute("drop table tags")
    with pytest.raises(DlgbenchError, match="out of reach: OperationalError: no such table: tags"):
        store.save_verdict(QUESTION, "cpu", QUESTION.claims[0], verdict)
    assert capsys.readouterr() == ("", "")


def test_what_a_kill_left_half_written_is_replaced(store):
    store.save(READY, "f1", RUN)
    experiment = store._client.get_experiment_by_name("x/y").experiment_id
    tags = {"fingerprint": "f2", "kind": "cell", "scale": "cpu"}
    tags = {f"dlgbench.{name}": text for name, text in tags.items()}
    half = store._client.create_run(experiment, tags=tags)
    assert store.find("x/y", "f2") is None
    assert len(store.runs(QUESTION, "cpu")) == 1
    store.save(TUNING, "f2", RUN)
    assert store.find("x/y", "f2")[1]
    (left,) = stored(store, "tags.`dlgbench.fingerprint` = 'f2'")
    assert left.info.status == "FINISHED"
    assert half.info.run_id != left.info.run_id


def test_a_kill_between_store_and_spool_doubles_nothing(store):
    store.save(READY, "f1", RUN)
    (sent,) = store.spool.sent.iterdir()
    sent.rename(store.spool.folder / "x.y-f1.json")  # as it was before the kill
    store.push_spool()
    assert len(stored(store)) == 1


def test_runs_of_two_precisions_or_two_engines_are_never_paired(store):
    scales = {"cpu": {"seeds": 5, "tuning_seeds": 1, "precision": "bf16"}, "gpu": {}}
    half = dataclasses.replace(QUESTION, scales=scales)
    old, new = (dataclasses.replace(RUN, provenance={"engine": engine}) for engine in ("e1", "e2"))
    store.save(READY, "f1", old)
    assert store.runs(half, "cpu") == {}
    store.save(evaluation("a-s1"), "f2", new)
    assert set(store.runs(QUESTION, "cpu")) == {evaluation("a-s1")}


def test_what_was_timed_on_two_machines_is_never_paired(store):
    for timing, kept in ((False, 2), (True, 1)):
        question = dataclasses.replace(QUESTION, timing=timing, tune=None)
        for arm, device in (("a", "slow"), ("b", "fast")):
            run = dataclasses.replace(RUN, provenance={"device": device, "engine": "e"})
            store.save(question.evaluation(arm, "cpu")[0], f"{arm} {timing}", run)
        found = store.runs(question, "cpu")
        assert len(found) == kept
        assert "b" in {cell.arm for cell in found}


def test_runs_of_two_codes_of_a_part_that_both_use_are_not_mixed(store):
    def run(**parts):
        return dataclasses.replace(RUN, provenance={"engine": "e", "code": json.dumps(parts)})

    a0, a1, b0 = (evaluation(name) for name in ("a-s0", "a-s1", "b-s0"))
    store.save(a0, "f1", run(model="old", data="d"))
    store.save(b0, "f2", run(optimizer="other", data="d"))
    assert set(store.runs(QUESTION, "cpu")) == {a0, b0}  # two arms may use different parts
    store.save(a1, "f3", run(model="new", data="d"))  # a part that arm a alone uses was edited
    assert set(store.runs(QUESTION, "cpu")) == {a1, b0}
    store.save(a0, "f4", run(model="new", data="e"))  # and now one that all use
    assert set(store.runs(QUESTION, "cpu")) == {a0}


def test_a_record_that_the_store_refuses_stops_nothing(store):
    bad = dataclasses.replace(RUN, history=(("val/acc@5", 1, 0.5),))
    with pytest.raises(DlgbenchError, match="refuses it: "):
        store.save(READY, "f1", bad)
    assert [file.suffix for file in store.spool.folder.iterdir()] == [".refused"]
    assert store.push_spool() == (0, [])
    store.save(READY, "f1", RUN)
    assert store.find("x/y", "f1")[1]


def test_since_leaves_older_runs_out(store):
    store.save(READY, "f1", RUN)
    assert store.find("x/y", "f1", since=0.0) is not None
    assert store.find("x/y", "f1", since=4e9) is None


def test_a_verdict_is_stored_once_and_read_without_mlflow(store):
    claim, inf = QUESTION.claims[0], float("inf")
    verdict = Verdict("supported", 0.2, (0.15, inf), 0.95, 0.01, 5, (0.2,) * 5, "paired t")
    for _ in range(2):
        store.save_verdict(QUESTION, "cpu", claim, verdict)
    (run,) = stored(store)
    assert run.data.metrics == {"effect": 0.2, "lower": 0.15, "n": 5.0, "p": 0.01}
    last = store.last_verdicts()["x/y", "b-is-better"]
    assert (last["verdict"], last["scale"]) == ("supported", "cpu")
    assert json.loads(last["figures"])["effect"] == 0.2
    other = Verdict("refuted", 0.0, (0.0, 0.0), 0.95, 0.01, 5, (0.0,) * 5, "paired t")
    store.save_verdict(QUESTION, "cpu", claim, other)
    assert store.last_verdicts()["x/y", "b-is-better"]["verdict"] == "refuted"
    for scale in ("gpu", "cpu", "gpu"):  # that of another scale is another one
        store.save_verdict(QUESTION, scale, claim, other)
    assert len(stored(store)) == 3


def test_a_verdict_of_which_anything_differs_is_stored_anew(store):
    claim = QUESTION.claims[0]
    first = Verdict("supported", 0.2, (0.15, 0.3), 0.95, 0.01, 5, (0.2,) * 5, "paired t")
    others = {
        "verdict": "inconclusive",
        "effect": 0.25,
        "interval": (0.15, 0.35),
        "level": 0.975,
        "p": 0.02,
        "n": 6,
        "values": (0.1, 0.3, 0.2, 0.2, 0.2),
        "method": "sign test",
        "note": "one seed diverged",
        "fragile": True,
    }
    assert list(others) == [field.name for field in dataclasses.fields(Verdict)]
    store.save_verdict(QUESTION, "cpu", claim, first)
    for name, value in others.items():
        changed = dataclasses.replace(first, **{name: value})
        store.save_verdict(QUESTION, "cpu", claim, changed)
        last = store.last_verdicts()["x/y", "b-is-better"]
        assert json.loads(last["figures"]) == json.loads(json.dumps(dataclasses.asdict(changed)))
    stricter = dataclasses.replace(claim, threshold=at_least(0.15))
    store.save_verdict(QUESTION, "cpu", stricter, changed)
    assert len(stored(store)) == 1 + len(others) + 1
    arms = {"a": 1, "b": 2}
    for x in ({"a": 1, "b": 3}, arms, arms):  # another question, whose numbers are the same
        asked = dataclasses.replace(claim, effect=slope("test/error", x))
        store.save_verdict(QUESTION, "cpu", asked, changed)
        assert store.last_verdicts()["x/y", "b-is-better"]["asked"] == asked.asked
    assert len(stored(store)) == 1 + len(others) + 1 + 2


def test_no_store_yet_means_no_verdicts_and_makes_no_file(tmp_path):
    assert Store(f"sqlite:///{tmp_path}/none.db", tmp_path).last_verdicts() == {}
    assert not (tmp_path / "none.db").exists()


def test_plots_are_artifacts_and_the_newest_replace_the_old(store, tmp_path):
    (tmp_path / "f.png").write_bytes(b"1")
    for _ in range(2):
        store.attach("x/y", [tmp_path / "f.png"])
    (run,) = stored(store, "tags.`dlgbench.kind` = 'figures'")
    assert [entry.path for entry in store._client.list_artifacts(run.info.run_id)] == ["f.png"]


def test_several_processes_may_open_a_fresh_store_at_once(tmp_path):
    """The one test of the migration; all others copy a file that was migrated once."""
    store = f"Store('sqlite:///{tmp_path}/m.db', Path('{tmp_path}'))"
    code = f"from pathlib import Path; from dlgbench.tracking import Store; {store}.open()"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    done = [(process.communicate()[1], process.returncode) for process in processes]
    assert done == [("", 0)] * 2
    assert Store(f"sqlite:///{tmp_path}/m.db", tmp_path).find("x/y", "f1") is None


def test_where_the_store_is(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert find_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    assert find_uri(tmp_path) == "http://there"
    assert find_uri(tmp_path, "sqlite:///mine.db") == "sqlite:///mine.db"


# servers ------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    """`server(answer)`: the URI of a server whose answer to every request is a text, or none."""
    running = []

    def start(answer, status=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                stopped.wait(0 if answer is not None else HANGING)
                with contextlib.suppress(BrokenPipeError):  # who asked waits no longer
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write((answer or "").encode())

            do_POST = do_GET  # noqa: N815  (http.server's name)

            def log_message(self, *_args):
                pass

        stopped = threading.Event()
        listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        running.append((listening, stopped))
        return f"http://127.0.0.1:{listening.server_port}"

    yield start
    for listening, stopped in running:
        stopped.set()
        listening.shutdown()
        listening.server_close()


@pytest.mark.parametrize("answer", ["{}", "", "null"])
def test_a_server_that_answers_and_keeps_nothing_swallows_no_run(server, tmp_path, answer):
    store = Store(server(answer), tmp_path)
    with pytest.raises(DlgbenchError):
        store.save(READY, "f1", RUN)
    assert len(store.spool.waiting()) == 1


_, POINTS = to_tags(to_record(READY, "f1", RUN))
PARAMS = to_record(READY, "f1", RUN)["cell"]["params"]
WHOLE = {
    "metrics": [{"key": k, "value": v, "step": s, "timestamp": 1} for k, s, v in POINTS],
    "params": [{"key": name, "value": "x"} for name in PARAMS],
}


@pytest.mark.parametrize(
    ("status", "run_id", "data", "told"),
    [
        ("FINISHED", "r1", WHOLE, ""),
        ("RUNNING", "r1", WHOLE, "did not keep run r1"),
        ("FAILED", "r1", WHOLE, "did not keep run r1"),
        ("FINISHED", "", WHOLE, "names no run"),
        ("FINISHED", "r1", {}, "did not keep all of run r1"),
        ("FINISHED", "r1", WHOLE | {"metrics": WHOLE["metrics"][2:]}, "did not keep all of run r1"),
        ("FINISHED", "r1", WHOLE | {"params": WHOLE["params"][:-1]}, "did not keep all of run r1"),
    ],
)
def test_a_run_waits_until_the_server_has_it_finished(server, tmp_path, status, run_id, data, told):
    experiment = {"experiment_id": "1", "name": "x/y", "lifecycle_stage": "active"}
    info = {"run_id": run_id, "status": status, "lifecycle_stage": "active", "end_time": 1}
    run = {"info": info, "data": data}
    # whatever is asked
    answer = json.dumps({"experiment": experiment, "run": run, "runs": [run]})
    store = Store(server(answer), tmp_path)
    with contextlib.ExitStack() as stack:
        if told:
            match = f"out of reach: OSError: it answered, and {told}"
            stack.enter_context(pytest.raises(DlgbenchError, match=match))
        store.save(READY, "f1", RUN)
    assert len(store.spool.waiting()) == bool(told)


@pytest.mark.parametrize(
    ("points", "arrays", "kept", "files", "is_whole"),
    [
        (3 * BATCH, b"", 3 * BATCH, [], True),
        (3 * BATCH, b"", 2 * BATCH, [], False),  # a batch in the middle was swallowed
        (3, b"npz", 3, ["arrays.npz"], True),
        (3, b"npz", 3, ["other.png"], False),
    ],
)
def test_what_a_server_keeps_is_counted_where_names_do_not_tell(
    tmp_path, monkeypatch, points, arrays, kept, files, is_whole
):
    data = SimpleNamespace(metrics={"val/error": 0.1}, params={"lr": "0.1"})
    client = SimpleNamespace(
        get_run=lambda _: SimpleNamespace(data=data),
        get_metric_history=lambda *_: [SimpleNamespace(step=k, value=0.1) for k in range(kept)],
        list_artifacts=lambda _: [SimpleNamespace(path=file) for file in files],
    )
    monkeypatch.setattr(Store, "_client", client)
    sent = [("val/error", step, 0.1) for step in range(points)]
    whole = Store("http://localhost", tmp_path)._keeps("r1", sent, {"lr": 0.1}, arrays)
    assert whole == is_whole


def test_a_request_takes_at_most_ten_seconds_and_is_sent_once(monkeypatch):
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
    monkeypatch.setattr(os, "environ", kept)
    load_client()
    from mlflow.environment_variables import (  # as MLflow's client reads them
        MLFLOW_HTTP_REQUEST_MAX_RETRIES,
        MLFLOW_HTTP_REQUEST_TIMEOUT,
    )

    assert MLFLOW_HTTP_REQUEST_TIMEOUT.get() == 10
    assert MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() == 0


def test_a_server_that_hangs_is_given_up_and_not_asked_again_for_a_while(
    server, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    store = Store(server(None), tmp_path)
    with pytest.raises(DlgbenchError, match=r"out of reach: .*[Tt]ime"):
        store.save(READY, "f1", RUN)
    asked = []
    monkeypatch.setattr(Store, "_client", property(lambda _: asked.append(1)))
    with pytest.raises(DlgbenchError, match=r"out of reach: .*[Tt]ime"):
        store.save(TUNING, "f2", RUN)
    assert (asked, len(store.spool.waiting())) == ([], 2)
    later = time.monotonic() + 61
    monkeypatch.setattr("dlgbench.connection.time", SimpleNamespace(monotonic=lambda: later))
    with contextlib.suppress(AttributeError):  # what stands for a client here is none
        store.open()
    assert asked == [1]


def test_a_server_that_refuses_a_request_is_asked_again(server, tmp_path):
    text = json.dumps({"error_code": "PERMISSION_DENIED", "message": "not yours"})
    store = Store(server(text, 403), tmp_path)
    with pytest.raises(DlgbenchError, match="not yours"):
        store.open()
    assert store._away is None


# what MLflow's user interface can do --------------------------------------------------------------


def test_a_deleted_experiment_is_told_before_training_and_stops_no_other(store):
    store.save(READY, "f1", RUN)
    experiment = store._client.get_experiment_by_name("x/y").experiment_id
    store._client.delete_experiment(experiment)
    with pytest.raises(
        DlgbenchError, match=r"experiments of x/y, but they were deleted\. .*restore"
    ):
        store.refuse_deleted(["a/b", "x/y"])
    store.refuse_deleted(["a/b"])
    again = Store(store.uri, store.root)
    with pytest.raises(DlgbenchError, match="they were deleted"):
        again.save(TUNING, "f2", RUN)
    other = dataclasses.replace(TUNING, ablation="a/b")
    again.spool.keep(to_record(other, "f3", RUN))
    sent, (note,) = again.push_spool()
    assert sent == 1
    assert "they were deleted" in note
    again._client.restore_experiment(experiment)
    assert Store(store.uri, store.root).push_spool() == (1, [])


def test_the_ways_out_of_a_deleted_experiment_work_as_they_are_printed(
    tmp_path, fresh, monkeypatch
):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages among themselves
        from mlflow.cli import cli
    folder = tmp_path / "a b&c#d"
    folder.mkdir()
    store = fresh(folder)
    for ablation in ("x/y", "other", "x/z"):
        store.save(dataclasses.replace(READY, ablation=ablation), f"f {ablation}", RUN)

    def carry_out(way):
        for name in ("x/y", "x/z"):
            store._client.delete_experiment(
                store._client.get_experiment_by_name(name).experiment_id
            )
        with pytest.raises(DlgbenchError, match="experiments of x/y, x/z, but they were") as told:
            store.refuse_deleted(["x/z", "x/y"])
        for command in str(told.value).split("`")[way].split(" && "):
            setting, program, *arguments = shlex.split(command)
            monkeypatch.setenv(*setting.split("=", 1))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
            assert (program, result.exit_code) == ("mlflow", 0)
        store.refuse_deleted(["x/y", "x/z"])

    restore, begin_anew = 1, 3
    carry_out(restore)
    assert store.ablations() >= {"x/y", "other", "x/z"}
    assert set(store.runs(QUESTION, "cpu")) == {READY}
    carry_out(begin_anew)
    assert store.find("x/y", "f x/y") is None
    again = Store(store.uri, folder)
    again.save(READY, "f1", RUN)
    assert set(again.runs(QUESTION, "cpu")) == {READY}
    assert store.find("other", "f other")[1]


def test_a_servers_deleted_experiment_is_deleted_for_good_where_the_server_runs(tmp_path):
    told = str(Store("http://there", tmp_path)._was_deleted({"x/y": "7"}))
    assert "`MLFLOW_TRACKING_URI=http://there mlflow experiments restore -x 7`" in told
    assert "--backend-store-uri STORE --experiment-ids 7`, where the server runs" in told


@pytest.mark.parametrize("deleted", ["experiment", "run"])
def test_what_is_deleted_in_the_middle_of_a_session_makes_runs_wait(store, monkeypatch, deleted):
    store.save(READY, "f1", RUN)
    client = store._client
    experiment = client.get_experiment_by_name("x/y").experiment_id
    log_batch = client.log_batch

    def delete_it(run, *_args):  # as another client's clean --delete does with a run
        if deleted == "run":
            client.delete_run(run)
        log_batch(run, *_args)

    with monkeypatch.context() as patch:
        patch.setattr(client, "log_batch", delete_it)
        if deleted == "experiment":
            client.delete_experiment(experiment)
        kept = r"Runs are kept in .*spool; the next call sends them$"
        with pytest.raises(DlgbenchError, match=rf"deleted there meanwhile: .*{kept}"):
            store.save(TUNING, "f2", RUN)
        with pytest.raises(DlgbenchError, match=r"were deleted|deleted there meanwhile"):
            store.save(evaluation("a-s1"), "f3", RUN)
    if deleted == "experiment":
        client.restore_experiment(experiment)
    assert store.push_spool() == (2, [])
    assert set(store.runs(QUESTION, "cpu")) == {READY, TUNING, evaluation("a-s1")}


@pytest.mark.parametrize("direct", [True, False], ids=["by SQLite", "by MLflow's API"])
def test_runs_of_an_experiment_that_was_renamed_are_copied_and_not_trained_again(direct, store):
    store.save(READY, "f1", RUN)
    experiment = store._client.get_experiment_by_name("x/y").experiment_id
    store._client.rename_experiment(experiment, "old")
    again = Store(store.uri, store.root)
    again._file = again._file if direct else None  # as for a server
    run, own = again.find("x/y", "f1")
    assert not own
    again.save(READY, "f1", run)
    assert again.find("x/y", "f1")[1]
    assert again.runs(QUESTION, "cpu")[READY].summary == RUN.summary


def test_surplus_runs_are_counted_and_deleted_only_if_asked_for(store):
    store.save(READY, "f1", RUN)
    store.save(READY, "f1", RUN, since=time.time() + 10)  # a rerun
    assert len(stored(store)) == 2
    experiment = store._client.get_experiment_by_name("x/y").experiment_id
    tags = {"dlgbench.kind": "cell", "dlgbench.fingerprint": "f2"}
    store._client.create_run(experiment, tags=tags)  # as a kill leaves it
    assert store.surplus(["x/y", "a/b"]) == 2
    assert store.surplus(["x/y"], delete=True) == 2
    assert store.surplus(["x/y"]) == 0
    (left,) = stored(store)
    assert left.info.end_time > 1000 * time.time()  # the newest


# clocks and doubles -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [("run", "run"), ("run", "surplus"), ("verdict", "verdict")]
)
def test_what_one_session_writes_no_other_takes_for_the_rest_of_a_kill(
    store, monkeypatch, first, second
):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    def written_slowly(*args):
        writing.set()
        assert go.wait(HANGING)
        return log_batch(*args)

    def act(what, store):
        if what == "run":
            store.save(READY, "f1", RUN)
        elif what == "surplus":
            counted.append(store.surplus(["x/y"], delete=True))
        else:
            store.save_verdict(QUESTION, "cpu", QUESTION.claims[0], verdict)

    def try_(what, store):
        try:
            act(what, store)
        except DlgbenchError as error:
            failed.append(error)
        go.set()

    verdict = Verdict("supported", 0.2, (0.1, 0.3), 0.95, 0.01, 5, (0.2,) * 5, "paired t")
    failed, counted, writing, go = [], [], threading.Event(), threading.Event()
    monkeypatch.setattr("pathlib.Path.write_text", full)  # so that a run goes by no spool
    monkeypatch.setattr("dlgbench.spool.PATIENCE", 0.01)
    monkeypatch.setattr("dlgbench.spool.say", lambda _text: go.set())  # the second waits
    store.open()
    log_batch = store._client.log_batch
    monkeypatch.setattr(store._client, "log_batch", written_slowly)
    one = threading.Thread(target=try_, args=(first, store))
    one.start()
    assert writing.wait(HANGING)
    other = threading.Thread(target=try_, args=(second, Store(store.uri, store.root)))
    other.start()
    for thread in (one, other):
        thread.join(HANGING)
    assert failed == []
    assert counted == [0] * (second == "surplus")
    (run,) = stored(store)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["effect" if first == "verdict" else "seconds"]


def test_a_run_that_is_there_is_not_written_again_but_a_rerun_is(store):
    store.save(READY, "f1", RUN)
    store.save(READY, "f1", RUN)  # of another session, which could not look it up
    assert len(stored(store)) == 1
    since = store.newest_end() + 1
    assert store.find("x/y", "f1", since) is None
    store.save(READY, "f1", RUN, since)
    assert store.find("x/y", "f1", since)[1]


def test_an_answer_that_a_server_has_nothing_doubles_no_run(store, monkeypatch):
    store._file = None  # as for a server
    store.save(READY, "f1", RUN)
    search, asked = store._client.search_runs, []

    def nothing_once(experiments, which="", **options):
        asked.append(which)
        once = "fingerprint" in which and sum("fingerprint" in one for one in asked) == 1
        return [] if once else search(experiments, which, **options)

    with monkeypatch.context() as patch:
        patch.setattr(store._client, "search_runs", nothing_once)
        with pytest.raises(DlgbenchError, match=r"does not find run \w+, which it has just made"):
            store.save(READY, "f1", RUN)  # as after a look-up that failed
        store._away = None  # a minute later
        assert store.push_spool() == (1, [])
        assert store.save(READY, "f1", RUN)
    assert [run.info.status for run in stored(store)] == ["FINISHED"]


@pytest.mark.parametrize("direct", [True, False], ids=["by SQLite", "by MLflow's API"])
def test_a_clock_that_goes_back_hides_no_verdict_no_run_and_no_rerun(direct, store, monkeypatch):
    store._file = store._file if direct else None  # as for a server
    claim = QUESTION.claims[0]

    def verdict(word):
        return Verdict(word, 0.2, (0.1, 0.3), 0.95, 0.01, 5, (0.2,) * 5, "paired t")

    store.save(READY, "f1", RUN)
    store.save_verdict(QUESTION, "cpu", claim, verdict("supported"))
    yesterday = time.time() - 86400
    monkeypatch.setattr("time.time", lambda: yesterday)
    for _ in range(2):
        store.save_verdict(QUESTION, "cpu", claim, verdict("refuted"))
    assert store.last_verdicts()["x/y", "b-is-better"]["verdict"] == "refuted"
    assert len(stored(store, "tags.`dlgbench.kind` = 'verdict'")) == 2
    newer = dataclasses.replace(RUN, summary={"test/error": 0.4})
    store.save(READY, "f2", newer)  # of newer code
    assert store.runs(QUESTION, "cpu")[READY].summary == newer.summary
    since = max(time.time(), store.newest_end() + 1)
    assert store.find("x/y", "f1", since) is None
    other = dataclasses.replace(RUN, summary={"test/error": 0.5})
    store.save(READY, "f1", other, since)
    assert store.find("x/y", "f1", since)[0].summary == other.summary
    assert store.runs(QUESTION, "cpu")[READY].summary == other.summary


def test_a_verdict_that_a_kill_left_running_is_stored_again(store):
    claim = QUESTION.claims[0]
    verdict = Verdict("supported", 0.2, (0.1, 0.3), 0.95, 0.01, 5, (0.2,) * 5, "paired t")
    store.save_verdict(QUESTION, "cpu", claim, verdict)
    (run,) = stored(store, "tags.`dlgbench.kind` = 'verdict'")
    store._client.update_run(run.info.run_id, status="RUNNING")
    again = Store(store.uri, store.root)
    assert again.last_verdicts() == {}
    again.save_verdict(QUESTION, "cpu", claim, verdict)
    assert again.last_verdicts()["x/y", "b-is-better"]["verdict"] == "supported"
    (left,) = stored(store, "tags.`dlgbench.kind` = 'verdict'")
    assert left.info.status == "FINISHED"
