"""The pytest plugin from outside: ablations in a user's own folder, with the package installed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import pytest

from dlgbench import Claim, DlgbenchError, Verdict, at_least, launch, pytest_plugin, value
from dlgbench import progress as progress_of_a_session
from dlgbench.baseline import against
from dlgbench.data.images import FASHION_MNIST
from dlgbench.discovery import load
from dlgbench.fixtures import _refuse_changed, _set_outcome
from dlgbench.progress import Progress
from dlgbench.pytest_plugin import pytest_xdist_auto_num_workers
from dlgbench.session import KEY, Session

FILE = '''
"""Does a wider net fit XOR better?"""
from dlgbench import Ablation, Claim, Recipe, at_least, difference

GAIN = difference("test/error", "narrow", "wide")
LOSS = difference("test/error", "wide", "narrow")

ABLATION = Ablation(
    question="Does a wider net fit XOR better?",
    recipe=Recipe(
        model="mlp",
        data="xor",
        data_args={"train": 300, "val": 100},
        steps=STEPS,
        evaluations=2,
    ),
    arms={"narrow": {"model_args.hidden": (1,)}, "wide": {"model_args.hidden": (32,)}},
    tune={"lr": (0.3, 1.0)},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 1}, "gpu": {}},
    claims=[
        Claim("Wider is better", GAIN, at_least(0.05)),
        Claim("Wider is much worse", LOSS, at_least(0.05)),
        Claim("A slip of the slides", LOSS, at_least(0.05), expect="refuted"),
        Claim("Between", GAIN, at_least(BETWEEN)),
    ],
)
'''
LONG = 600  # seconds: only against hanging; a busy machine does not take so long


def write(folder, steps=200, between=0.25, data="xor"):
    (folder / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '0'\n")
    text = FILE.replace("STEPS", str(steps)).replace("BETWEEN", str(between))
    file = folder / "test_width.py"
    file.write_text(text.replace('"xor"', f'"{data}"'))
    return file


def stored(store):
    """Fingerprint to run id of the finished runs."""
    everywhere = [experiment.experiment_id for experiment in store._client.search_experiments()]
    which = "tags.`dlgbench.kind` = 'cell' and attributes.status = 'FINISHED'"
    runs = store._client.search_runs(everywhere, which)
    return {run.data.tags["dlgbench.fingerprint"]: run.info.run_id for run in runs}


def test_an_ablation_in_a_users_folder_is_run_judged_and_reported(tmp_path, fresh, pytest_in):
    folder = tmp_path / "a%2Fb c#d?e&é"  # what a URL gives a meaning
    folder.mkdir()
    store = fresh(folder)
    write(folder)
    done = pytest_in(folder, "-n", "2", "--save-baseline", report=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no baseline at scale cpu: with --save-baseline these" in done.stdout
    assert done.stdout.count("cells 0 of 14: begun; ") == 1
    assert "cells 14 of 14" in done.stdout
    assert len(stored(store)) == 14
    assert "supported: test/error: narrow - wide" in done.stdout
    assert "✗ refuted (expected supported)" in done.stdout
    assert "✗ refuted, as expected" in done.stdout
    order = ("runs and verdicts: ", "4 claims: ", "not as expected", "report: file://")
    places = [done.stdout.index(text) for text in order]
    assert places == sorted(places)
    assert "1 failed, 17 passed" in done.stdout or "1 failed, 16 passed, 1 xfailed" in done.stdout
    where = f"runs and verdicts: sqlite:///{folder}/mlflow.db (dlgbench ui shows them)"
    assert where in done.stdout
    assert "Traceback" not in done.stdout
    assert "Wider is better" in (folder / "reports" / "build" / "index.html").read_text()

    # what came out otherwise than expected reproduces: that fails no more, unless it is asked for
    again = pytest_in(folder, "test_width.py::test_claim")
    assert again.returncode == 0, again.stdout
    assert "not as expected, and nothing contradicts the baseline" in again.stdout
    assert "no baseline" not in again.stdout
    assert "as in the baseline of 20" in again.stdout
    strict = pytest_in(folder, "test_width.py::test_claim", "--no-baseline")
    assert strict.returncode == 1, strict.stdout

    # a claim alone, and nothing is trained again
    again = pytest_in(folder, "-k", "claim and better")
    assert again.returncode == 0, again.stdout
    assert "1 passed" in again.stdout
    assert len(stored(store)) == 14
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]  # no stray folder

    # an experiment that was deleted in MLflow is told before anything is trained
    store._client.delete_experiment(store._client.get_experiment_by_name("width").experiment_id)
    refused = pytest_in(folder)
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR, refused.stdout
    assert "expected MLflow's experiments of width, but they were deleted" in refused.stderr


def test_a_claim_pulls_its_cells_in_a_store_that_is_made_now(tmp_path, pytest_in):
    write(tmp_path, steps=20)
    done = pytest_in(tmp_path, "test_width.py::test_claim", "-k", "slip")
    assert "A slip of the slides: " in done.stdout
    store = Session("", str(tmp_path), f"sqlite:///{tmp_path}/mlflow.db", "cpu", "", 0.0).store()
    assert len(stored(store)) == 14


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_another_data_set_runs_what_it_suits_and_names_the_rest(
    tmp_path, store, pytest_in, workers
):
    text = write(tmp_path, steps=2, data="mnist5k").read_text()
    (tmp_path / "test_many.py").write_text(text.replace('"train": 300', '"train": 2000'))
    (tmp_path / "test_points.py").write_text(text.replace("mnist5k", "xor"))
    done = pytest_in(tmp_path, "--data", "digits", "-k", "test_cell and narrow", *workers)
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout  # 2 rates and 5 seeds, of one of the three files
    reason = "many: data_args: expected train and val of at most"
    assert f"not asked on digits, which does not suit them:\n  {reason}" in done.stdout
    assert "points" not in done.stdout
    assert store.runs(load(tmp_path / "test_width.py").with_data("digits"), "cpu")
    args = ("--data", "digits", "-k", "test_width and test_cell and s0", *workers)
    assert "many" not in pytest_in(tmp_path, *args).stdout


OWN_DATA = """
import numpy as np
from dlgbench import Arrays, register_data

@register_data("mine", kind="mine")
def mine():
    x = np.random.default_rng(0).normal(size=(600, 2)).astype(np.float32)
    return Arrays.cut(x, (x[:, 0] > 0).astype(np.int64), test=100, num_classes=2)

register_data("other", kind="mine")(mine)

"""


def test_a_set_that_a_file_registers_stands_in_with_workers_and_a_skipped_file_is_skipped(
    tmp_path, store, pytest_in
):
    file = write(tmp_path, steps=2, data="mine")
    (tmp_path / "test_data.py").write_text(OWN_DATA + file.read_text().replace("mine", "other"))
    (tmp_path / "test_jax.py").write_text(
        "import pytest\npytest.importorskip('not_here')\n" + file.read_text()
    )
    done = pytest_in(tmp_path, "--data", "other", "-n", "2", "-k", "test_cell", scale="smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed, 1 skipped" in done.stdout  # test_width's, on the set that stands in
    assert len(stored(store)) == 6


def test_a_kill_in_the_middle_loses_and_doubles_nothing(tmp_path, store, pytest_in):
    write(tmp_path, steps=3000)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--scale", "cpu"]
    command += ["-n", "2", "-k", "test_cell"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **quiet)
    until = time.monotonic() + LONG
    while len(stored(store)) < 3:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = stored(store)
    assert 3 <= len(before) < 14
    done = pytest_in(tmp_path, "-n", "2", "-k", "test_cell")
    assert done.returncode == 0, done.stdout
    after = stored(store)
    assert set(before.items()) <= set(after.items())  # kept as they were
    assert len(after) == 14
    assert len(store._client.search_runs(["1"])) == 14


@pytest.mark.parametrize(
    ("data", "args", "message"),
    [
        ("xorr", (), "ERROR: width: no data set is called 'xorr'; did you mean 'xor'?"),
        ("fashion_mnist", (), "train-images-idx3-ubyte is corrupt: "),
        ("mnist5k", ("--data", "fashion_mnist"), "train-images-idx3-ubyte is corrupt: "),
        ("xor", ("--scale", "gpu"), "- a GPU: expected a CUDA device"),
        (
            "xor",
            ("--tracking-uri", "http://127.0.0.1:9"),
            "ERROR: the tracking store http://127.0.0.1:9 is out of reach",
        ),
    ],
)
@pytest.mark.usefixtures("store")
def test_a_users_mistake_is_one_message_before_any_training(
    tmp_path, pytest_in, data, args, message
):
    write(tmp_path, data=data)
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FASHION_MNIST:
        (raw / name).write_bytes(b"junk")
    hidden = {"DLGBENCH_DATA": str(tmp_path / "data"), "CUDA_VISIBLE_DEVICES": ""}
    for workers in ((), ("-n", "1")) if data == "xorr" else ((),):
        done = pytest_in(tmp_path, *args, *workers, env=hidden)
        said = done.stdout + done.stderr
        assert done.returncode == 4, said
        assert message in said
        assert "Traceback" not in said
        assert "trained" not in done.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            '"narrow", "wide")',
            '"narow", "wide")',
            "no arm is called 'narow'; did you mean 'narrow'?",
        ),
        ("steps=200", "stepps=200", "TypeError: Recipe.__init__() got an unexpected keyword"),
        ("claims=[", "claims=[[", "SyntaxError"),
        ("scales=", "twin_of='depth/none', scales=", "expected what changes in the parent's"),
    ],
)
def test_an_ablation_that_makes_no_sense_says_so_without_a_traceback(
    tmp_path, pytest_in, right, wrong, message
):
    file = write(tmp_path)
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    done = pytest_in(tmp_path)
    assert done.returncode != 0
    assert message in done.stdout
    assert "importlib" not in done.stdout
    assert "dlgbench/ablation.py" not in done.stdout
    assert "trained" not in done.stdout


OWN_MODEL = """
from mylib import WIDE
from torch import nn
from dlgbench import register_model

@register_model("mine")
def mine(input_shape, num_classes, hidden=(WIDE,)):
    return nn.Sequential(nn.Linear(2, hidden[0]), nn.ReLU(), nn.Linear(hidden[0], num_classes))

"""
OWN_TESTS = """
import gc

def test_claim(claim, judge):
    assert judge(claim).n == 5

def test_the_cells_are_measured(cell, measure):
    assert "val/error" in measure(cell).summary
    assert gc.get_freeze_count()  # the worker has warmed up
"""


def test_an_ablation_may_bring_its_own_model_helpers_and_tests(tmp_path, store, pytest_in):
    file = write_own(tmp_path)
    file.write_text(file.read_text() + OWN_TESTS)
    done = pytest_in(tmp_path, "-n", "2", "-k", "test_cell or measured")
    assert "28 passed" in done.stdout, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr  # of what a worker imports
    assert len(stored(store)) == 14
    again = pytest_in(tmp_path, "-k", "test_cell and narrow", "--rerun")
    assert "7 passed" in again.stdout
    assert "7 trained" in again.stdout


OWN_TRAINING = '''
"""Does a larger number win?"""
from dlgbench import Ablation, Claim, at_least, difference

def train(config, seed, log):
    if config["fails"] and seed == 2:
        raise ArithmeticError("my own mistake")
    log("val/error", config["x"] + seed, 0)
    return {"val/error": config["x"], "test/error": config["x"] * (1 + 0.1 * (seed % 3))}

ABLATION = Ablation(
    question="Does a larger number win?",
    train=train,
    config={"x": 1.0, "fails": False, "k": 0},
    metrics={"val/error": "error", "test/error": "error"},
    arms={"one": {}, "two": {"x": 2.0}},
    tune={"k": (1, 2)},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 1}},
    claims=[Claim("Two is worse", difference("test/error", "two", "one"), at_least(0.5))],
)
'''


def test_own_training_code_is_run_judged_and_reported(tmp_path, store, pytest_in):
    file = tmp_path / "test_number.py"
    file.write_text(OWN_TRAINING)
    done = pytest_in(tmp_path, "-n", "2", report=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cells 14 of 14" in done.stdout
    assert "1 claim: 1 supported" in done.stdout
    assert len(stored(store)) == 14
    page = (tmp_path / "reports" / "build" / "index.html").read_text()
    assert "Does a larger number win?" in page
    assert "val/error" in page  # its curve

    file.write_text(OWN_TRAINING.replace('"two": {"x": 2.0}', '"two": {"x": 2.0, "fails": True}'))
    done = pytest_in(tmp_path)
    assert "ArithmeticError: my own mistake" in done.stdout
    assert "test_number.py:7: ArithmeticError" in done.stdout  # the user's own traceback
    assert "dlgbench/train" not in done.stdout
    assert "FAILED test_number.py::test_cell[two-s2]" in done.stdout
    assert "cell two-s2 failed: ArithmeticError: my own mistake" in done.stdout  # the claim
    assert "2 failed, 13 passed" in done.stdout  # the rest goes on


TIMED = """
import os, time
from pathlib import Path
from dlgbench import Ablation, Claim, exactly, value

def train(config, seed, log):
    begin = time.monotonic()
    time.sleep(0.05)
    line = f"{config['name']} {os.getpid()} {begin} {time.monotonic()}\\n"
    with open(Path(__file__).parent / "times", "a") as file:
        file.write(line)
    return {"x": 1.0}

ABLATION = Ablation(
    question="Q?",
    train=train,
    config={"name": NAME},
    metrics={"x": "a number"},
    arms={"a": {}, "b": {"name": NAME + NAME}},
    scales={"cpu": {"seeds": 5}},
    timing=TIMING,
    claims=[Claim("It is one", value("x", "a"), exactly(1))],
)
"""


def write_timed(folder):
    """An ablation that measures time, and after it one that does not."""
    for name, timing in {"early": True, "late": False}.items():
        text = TIMED.replace("NAME", repr(name)).replace("TIMING", str(timing))
        (folder / f"test_{name}.py").write_text(text)


@pytest.mark.slow  # two workers start
@pytest.mark.usefixtures("store")
def test_what_measures_time_runs_last_and_alone(tmp_path, pytest_in):
    write_timed(tmp_path)
    own = {"TMPDIR": str(tmp_path)}  # no lock of another session on this machine
    done = pytest_in(tmp_path, "-n", "2", env=own)
    assert "22 passed" in done.stdout, done.stdout + done.stderr
    cells = [line.split() for line in (tmp_path / "times").read_text().splitlines()]
    spans = [(float(begin), float(end), name) for name, _, begin, end in cells]
    assert len(spans) == 20
    assert len({process for _, process, _, _ in cells}) == 2
    timed = {span for span in spans if "early" in span[2]}
    assert len(timed) == 10
    for begin, end, _ in timed:
        assert sum(begin < other[1] and other[0] < end for other in spans) == 1  # itself
    before = [end for _, end, name in spans if "late" in name]
    assert sorted(before)[5] < min(begin for begin, _, _ in timed)  # at least most of the others


@pytest.mark.usefixtures("store")
def test_what_measures_time_is_marked(tmp_path, pytest_in):
    write_timed(tmp_path)
    listed = pytest_in(tmp_path, "--collect-only", "-q").stdout.splitlines()
    places = [k for k, line in enumerate(listed) if "test_early" in line]
    assert places == list(range(11, 22))
    marked = pytest_in(tmp_path, "--collect-only", "-q", "-m", "timing").stdout
    assert "11/22 tests collected" in marked
    assert "test_late" not in marked


OTHER = """# -*- coding: latin-1 -*-
import pytest, sys
STRING = 'caf\xe9'
ABLATION = {'a': 1}
@pytest.mark.parametrize('cell', [1, 2])
def test_cell(cell):
    assert 'torch' not in sys.modules and 'mlflow' not in sys.modules
"""


def test_a_project_without_ablations_is_left_alone(tmp_path, pytest_in):
    (tmp_path / "test_other.py").write_bytes(OTHER.encode("latin-1"))
    for workers in ("0", "1"):
        done = pytest_in(tmp_path, "-n", workers, report=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 passed" in done.stdout
        assert "runs and verdicts" not in done.stdout
        assert "report" not in done.stdout
    assert not (tmp_path / ".dlgbench").exists()


@pytest.mark.parametrize(
    ("word", "expect", "scale", "outcome"),
    [
        ("supported", "supported", "cpu", None),
        ("refuted", "refuted", "cpu", None),
        ("refuted", "supported", "cpu", pytest.fail.Exception),
        ("supported", "refuted", "cpu", pytest.fail.Exception),
        ("supported", "not supported", "cpu", pytest.fail.Exception),
        ("inconclusive", "not supported", "cpu", None),
        ("inconclusive", "supported", "cpu", pytest.xfail.Exception),
        ("inconclusive", "refuted", "cpu", pytest.xfail.Exception),
        ("inconclusive", "inconclusive", "cpu", pytest.xfail.Exception),
        ("supported", "inconclusive", "cpu", None),
        ("refuted", "inconclusive", "cpu", pytest.fail.Exception),
        ("refuted", "supported", "smoke", pytest.skip.Exception),
    ],
)
def test_outcomes(word, expect, scale, outcome):
    claim = Claim("x", value("parameters", "a"), at_least(1), expect=expect)
    verdict = Verdict(word, 1.0, (0.0, 2.0), 0.95, 0.5, 5, (1.0,) * 5, "paired t")
    fails, note = against(claim, verdict, "mine", None)
    with contextlib.nullcontext() if outcome is None else pytest.raises(outcome):
        _set_outcome(claim, verdict, scale, fails=fails, note=note)


def summary(rows, scale, exitstatus=0, *, died=False, baseline="", uri="http://x"):
    """The lines at the end of a session, of verdicts given as (word, as expected)."""
    written, root = [], tempfile.mkdtemp()
    terminal = SimpleNamespace(
        ensure_newline=lambda: None,
        isatty=False,
        write=written.append,
        write_line=lambda line, **_: written.append(f"{line}\n"),
    )
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=lambda _: terminal),
        stash={KEY: Session("", root, uri, scale, "", 0.0)},
        getoption=lambda _: False,
    )
    numbers = {"method": "paired t", "interval": (0.0, 2.0), "effect": 1.0, "n": 5}
    progress = Progress(config)
    progress.verdicts = [
        {
            "ablation": "mine",
            "claim": f"Claim {k}.",
            "expect": "supported",
            "effect": "1",
            "interval": "[0, 2]",
            "wanted": "at least × 1",
            "undecided": "undecided: few" if word == "inconclusive" else "",
            "as_expected": expected,
            "baseline": baseline,
            "edges": {f"arm {k // 2}": "lr 1 is the largest that was tried"} if k > 15 else {},
            "verdict": numbers | {"verdict": word},
            "outcome": "failed" if word == "refuted" and not (expected or baseline) else "passed",
        }
        for k, (word, expected) in enumerate(rows)
    ]
    progress.has_lost_test = died
    progress.pytest_terminal_summary(exitstatus)
    return "".join(written).splitlines()


def test_the_tally_comes_last_and_a_long_table_shows_what_was_not_expected():
    rows = [("supported", True)] * 38 + [("inconclusive", False), ("refuted", False)]
    unexpected = "2 not as expected, and 1 of them fails the session: a finding, nothing broke"
    lines = summary(rows, "cpu")
    assert lines[-1] == f"40 claims: 38 supported, 1 refuted, 1 inconclusive; {unexpected}"
    assert sum("Claim " in line for line in lines) == 40
    assert sum("undecided: few" in line for line in lines) == 1
    assert sum("[0, 2]     at least × 1" in line for line in lines) == 40
    edges = [
        line for line in lines if line.startswith("⚠ tuned at the edge of the grid: mine, arm")
    ]
    assert len(edges) == 10
    assert edges[0].endswith("arm 8: lr 1 is the largest that was tried")
    assert "  and 2 more" in lines
    lines = summary([("supported", True), *rows], "cpu")
    shown = [found[0] for line in lines if (found := re.search(r"Claim \d+", line))]
    assert shown == ["Claim 39", "Claim 40"]
    assert "39 as expected are in the report and `dlgbench verdicts`" in lines
    assert lines[-1] == f"41 claims: 39 supported, 1 refuted, 1 inconclusive; {unexpected}"
    known = summary(rows, "cpu", baseline="as in the baseline of 2026-11-23")
    assert known[-1].endswith("; 2 not as expected, and nothing contradicts the baseline")
    assert sum("as in the baseline of 2026-11-23" in line for line in known) == 2
    lines = summary([("supported", True)] * 41, "cpu")
    assert not any("Claim " in line for line in lines)
    assert lines[-1] == "41 claims: 41 supported, 0 refuted, 0 inconclusive; none not as expected"
    lines = summary([("refuted", False), *rows], "smoke")
    assert sum("Claim " in line for line in lines) == 41
    assert not any("not as expected" in line for line in lines)


def test_the_time_left_is_told_by_the_pace_of_late(monkeypatch):
    """Not by the time since the start: imports come first, and stored cells take none."""
    lines, clock = [], SimpleNamespace(now=0.0)
    fake = SimpleNamespace(time=lambda: clock.now)
    monkeypatch.setattr(progress_of_a_session, "time", fake)
    terminal = SimpleNamespace(isatty=True, rewrite=lambda line, **_: lines.append(line.strip()))
    get_plugin = SimpleNamespace(get_plugin=lambda _: terminal)
    progress = Progress(SimpleNamespace(pluginmanager=get_plugin))
    progress.cells = dict.fromkeys(range(400), 1.0)
    clock.now = 30.0  # of imports
    for k in range(400):
        clock.now += 0.01 if k < 200 else 2.0  # found in the store, then trained
        progress.reported.add(k)
        progress.trained = max(0, k - 199)
        progress._progress()
    assert lines[0] == "cells 1 of 400, 0 trained, 30 s gone"
    assert not any(" h " in line for line in lines)
    (half,) = (line for line in lines if line.startswith("cells 300 of 400"))
    assert half.endswith("100 trained, 3 min 52 s gone, about 3 min 20 s left")
    assert lines[-1] == "cells 400 of 400, 200 trained, 7 min 12 s gone"


def test_the_time_left_knows_that_some_cells_take_far_longer_and_that_lanes_end_together(
    monkeypatch, tmp_path
):
    lines, clock = [], SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress_of_a_session, "time", SimpleNamespace(time=lambda: clock.now))
    terminal = SimpleNamespace(isatty=True, rewrite=lambda line, **_: lines.append(line.strip()))
    get_plugin = SimpleNamespace(get_plugin=lambda _: terminal)
    progress = Progress(SimpleNamespace(pluginmanager=get_plugin, rootpath=tmp_path))
    (tmp_path / "test_q.py").write_text("from dlgbench import Ablation\n\nABLATION = Ablation()\n")
    tests = [f"test_q.py::test_cell[{k}]" for k in range(1020)]
    progress._expect(tests)
    half = {(tmp_path / "test_q.py", str(k)): 10.0 if k < 20 else 0.1 for k in range(1020)}
    progress.expect_seconds(half)
    progress._expect(tests)  # of the second worker
    for k in range(20):
        clock.now += 20
        progress.reported.add(tests[k])
        progress.trained = k + 1
        progress._progress()
    assert lines[-1] == "cells 20 of 1020, 20 trained, 6 min 40 s gone, about 3 min 20 s left"
    progress._expect(tests)  # of one that replaces another
    for k in range(20, 520):
        clock.now += 0 if k % 100 else 20  # a hundred end together
        progress.reported.add(tests[k])
        progress.trained = k + 1
        progress._progress()
    assert lines[-1].startswith("cells 520 of 1020, 520 trained, 8 min 20 s gone, about 1 min ")


def test_the_time_left_is_not_that_of_cells_that_were_stored(monkeypatch):
    lines, clock = [], SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress_of_a_session, "time", SimpleNamespace(time=lambda: clock.now))
    terminal = SimpleNamespace(isatty=True, rewrite=lambda line, **_: lines.append(line.strip()))
    get_plugin = SimpleNamespace(get_plugin=lambda _: terminal)
    progress = Progress(SimpleNamespace(pluginmanager=get_plugin))
    progress.cells = dict.fromkeys(range(40), 1.0)
    for k in range(33):
        clock.now += 2 if k < 30 else 20  # found in the store, then trained
        progress.reported.add(k)
        progress.trained = max(0, k - 29)
        progress._progress()
    assert lines[-1] == "cells 33 of 40, 3 trained, 2 min 0 s gone, about 2 min 20 s left"


@pytest.mark.parametrize(
    ("exitstatus", "died", "said"),
    [
        (2, False, "interrupted: what is finished is stored, and the same command goes on from"),
        (1, True, "a worker died, and the test that it had begun or was to begin failed, its cell"),
    ],
)
def test_what_an_end_that_nobody_wanted_means_for_the_cells(exitstatus, died, said):
    lines = summary([("supported", True)], "cpu", exitstatus, died=died)
    assert sum(line.startswith(said) for line in lines) == 1
    assert not any(line.startswith(said) for line in summary([("supported", True)], "cpu"))


def test_the_end_says_where_the_runs_are(store, tmp_path):
    def said(uri):
        return summary([("supported", True)], "cpu", uri=uri)[-2]

    assert said("http://x") == "runs and verdicts: http://x"
    assert said(store.uri) == f"runs and verdicts: {store.uri} (dlgbench ui shows them)"
    (tmp_path / "mlflow.db").unlink()
    assert said(store.uri).startswith(f"{store.uri} is gone: ")


def started(folder, *args):
    """A session that heeds signals as in a shell: (its process, what it says until its end)."""
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    arguments = ["-p", "no:cacheprovider", "-n", "2", "-k", "test_cell", *args]
    run = f"{heed}; import pytest; raise SystemExit(pytest.main({arguments}))"
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    env = {**os.environ, "PYTEST_ADDOPTS": "", "TMPDIR": str(folder)}
    command = [sys.executable, "-c", run]
    return subprocess.Popen(command, cwd=folder, env=env, start_new_session=True, **pipe)


def wait_for(process, something):
    until = time.monotonic() + LONG
    while not something():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_second_interrupt_ends_all_at_once_in_a_line(tmp_path, store):
    write(tmp_path, steps=3000)
    process = started(tmp_path, "--scale", "cpu")
    wait_for(process, lambda: stored(store))
    while process.poll() is None:
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.2)
    said, _ = process.communicate()
    assert process.returncode == 2
    assert "interrupted, ended at once: what is finished is stored" in said
    assert "Traceback" not in said


TWICE = """
import os
import xdist.workermanage

setup = xdist.workermanage.NodeManager.setup_node

def setup_node(self, spec, *args):
    if spec.id not in ("gw0", "gw1"):
        raise EOFError("expected 1 bytes, got 0")  # as of execnet, where the process was killed
    return setup(self, spec, *args)

xdist.workermanage.NodeManager.setup_node = setup_node

def pytest_runtest_call(item):
    os._exit(1)
"""


def test_a_worker_that_dies_as_it_replaces_another_is_a_line(tmp_path, pytest_in):
    write(tmp_path, steps=2)
    (tmp_path / "conftest.py").write_text(TWICE)
    done = pytest_in(tmp_path, "-n", "2", "-k", "test_cell", scale="smoke")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "did not begin (EOFError: expected 1 bytes, got 0)" in done.stdout
    assert "interrupted: what is finished is stored" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


KILLED = """
import time
import pytest

nodes = []

@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_xdist_node_collection_finished(node):
    nodes.append(node)
    if len(nodes) == 2:  # the first tests are sent right after
        nodes[0].gateway._io.popen.kill()
        while nodes[0].gateway.hasreceiver():
            time.sleep(0.01)
"""


def test_a_worker_that_dies_before_its_tests_are_sent_costs_one_test(tmp_path, store, pytest_in):
    """It is replaced, and the session goes on."""
    write(tmp_path, steps=2)
    (tmp_path / "conftest.py").write_text(KILLED)
    done = pytest_in(tmp_path, "-n", "2", "-k", "test_cell", scale="smoke")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "replacing crashed worker gw" in done.stdout
    assert "a worker died, and the test that it had begun or was to begin failed" in done.stdout
    assert "1 failed, 5 passed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(stored(store)) >= 5


LAST = """
import pathlib, time
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        pathlib.Path("finishes").touch()
        time.sleep(60)
    return (yield)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_the_session_ends_is_told_in_a_line(tmp_path, store, number):
    write(tmp_path, steps=2)
    (tmp_path / "conftest.py").write_text(LAST)
    process = started(tmp_path, "--scale", "smoke", "--no-report")
    wait_for(process, (tmp_path / "finishes").exists)
    os.kill(process.pid, number)
    said, _ = process.communicate()
    assert process.returncode == 2, said
    assert "interrupted, ended at once: what is finished is stored" in said
    assert "Traceback" not in said
    assert len(stored(store)) == 6


def test_sigterm_ends_a_rehearsal_as_ctrl_c_does_and_takes_its_data_along(tmp_path):
    write(tmp_path, steps=2)
    process = started(tmp_path, "--scale", "smoke", "--rehearse")
    wait_for(process, lambda: [*tmp_path.glob("dlgbench-rehearsal-*")])
    os.kill(process.pid, signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert not [*tmp_path.glob("dlgbench-rehearsal-*")]


@pytest.mark.parametrize("with_workers", [True, False])
def test_a_session_stops_once_a_run_can_be_kept_nowhere(with_workers):
    written, workers = [], SimpleNamespace(shouldstop=False)
    terminal = SimpleNamespace(
        isatty=False,
        ensure_newline=lambda: None,
        flush=lambda: None,
        write_line=lambda line, **_: written.append(line),
    )
    plugins = {"terminalreporter": terminal, "dsession": workers if with_workers else None}
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=plugins.get),
        stash={KEY: Session("", "", "sqlite:///x", "cpu", "", 0.0)},
    )
    progress, own = Progress(config), SimpleNamespace(shouldstop=False)
    progress.pytest_sessionstart(own)
    for lost in (0, 2, 1):
        notes = {"trained": 1, "notices": ["a store away"], "lost": lost}
        properties = [("dlgbench", notes)]
        report = SimpleNamespace(when="call", user_properties=properties, nodeid="x")
        progress.pytest_runtest_logreport(report)
    assert written == ["a store away"]  # once
    assert (workers if with_workers else own).shouldstop.startswith("runs can be kept nowhere")
    progress._say_end(2)
    assert written[-1] == "3 runs lost: neither the store nor the spool could keep them"


def write_own(folder, width="9"):
    """An ablation whose model takes its width from a module beside it."""
    file = write(folder, steps=2)
    (folder / "mylib.py").write_text(f"WIDE = {width}\n")
    text = file.read_text().replace('model="mlp"', 'model="mine"')
    file.write_text(text.replace("ABLATION =", OWN_MODEL + "ABLATION ="))
    return file


EDITED = """
import pathlib

def pytest_collection_modifyitems():  # what is imported stays as it was
    pathlib.Path("mylib.py").write_text("WIDE = 7\\n")
"""


def test_runs_are_of_the_code_that_was_imported_not_of_what_is_saved_after_it(
    tmp_path, store, pytest_in
):
    write_own(tmp_path)
    (tmp_path / "conftest.py").write_text(EDITED)
    done = pytest_in(tmp_path, "-k", "test_cell and tune and narrow")
    assert "2 passed" in done.stdout, done.stdout
    assert "2 trained" in pytest_in(tmp_path, "-k", "test_cell and tune and narrow").stdout
    assert len(stored(store)) == 4  # two of each code


@pytest.mark.usefixtures("store")
def test_a_source_file_that_is_saved_while_it_is_imported_is_refused(tmp_path, pytest_in):
    write_own(tmp_path, width="9; import os, time; time.sleep(0.1); os.utime(__file__)")
    done = pytest_in(tmp_path)
    assert done.returncode == 4
    assert "source files changed since this session began (mylib.py): call again" in done.stderr
    assert "cells" not in done.stdout


@pytest.mark.usefixtures("store")
def test_workers_of_other_code_than_the_controllers_end_the_session(tmp_path, pytest_in):
    write_own(tmp_path)
    (tmp_path / "conftest.py").write_text(EDITED)  # the controller imports after the first worker
    done = pytest_in(tmp_path, "-n", "2", "-k", "test_cell")
    assert done.returncode == 2, done.stdout
    message = r"source files changed since this session began \((width|mylib\.py)\): call again"
    assert re.search(message, done.stdout)  # a file's name where the second one was importing


FULL = """
import pytest
from types import SimpleNamespace
from dlgbench import cluster_runner, runner
from dlgbench.launch import CLUSTER
from dlgbench.spool import Spool
from dlgbench.tracking import Store

def full(*_args):
    raise OSError(28, "No space left on device")

class ClusterRunner(runner.Runner):
    def __init__(self, store, since, session, wanted, *_cluster):
        super().__init__(store, since, session, wanted)

    def close(self):
        self._lost += 10 * ["the run of a late cell is lost"]

Spool.keep = Store._experiment = full
cluster_runner.ClusterRunner = ClusterRunner

@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    session.config.stash[CLUSTER] = SimpleNamespace(close=lambda: None)
"""


def test_what_a_claim_loses_or_a_cluster_at_the_end_is_told_and_fails(tmp_path, store, pytest_in):
    write(tmp_path, steps=2)
    (tmp_path / "conftest.py").write_text(FULL)
    done = pytest_in(tmp_path, "test_width.py::test_claim")
    assert done.returncode == 2, done.stdout  # stopped
    assert "runs can be kept nowhere: make room, and call again !!!" in done.stdout
    late = r"1\d runs lost: neither the store nor the spool"  # 10 of them
    assert re.search(late, done.stdout)
    assert "dlgbench: the run of a late cell is lost" in done.stderr
    assert stored(store) == {}


def test_a_worker_of_other_code_than_the_session_began_with_ends_the_session(monkeypatch):
    monkeypatch.setattr(launch, "_sources", lambda *_: {"mine": "new", "other": "same"})
    session, notes = Session("", "", "sqlite:///x", "cpu", "", 0.0), []
    config = SimpleNamespace(stash={KEY: session})

    def record(_name, value):
        notes.append(value)

    for sources in ({}, {"mine": "new", "other": "same"}):  # {}: the controller does not know yet
        session.sources = sources
        launch.note_changes(config, [])
        _refuse_changed(config, record)
    session.sources = {"mine": "old", "other": "same"}
    launch.note_changes(config, [])
    with pytest.raises(pytest.fail.Exception, match=r"files changed .* \(mine\): call again"):
        _refuse_changed(config, record)
    workers = SimpleNamespace(shouldstop=False)
    plugins = SimpleNamespace(get_plugin={"dsession": workers}.get)
    progress = Progress(SimpleNamespace(pluginmanager=plugins, stash=config.stash))
    report = SimpleNamespace(when="call", user_properties=[("dlgbench", notes[0])], nodeid="x")
    progress.pytest_runtest_logreport(report)
    assert workers.shouldstop == session.changed


NO_LIST = """
import os, time
import pytest

nodes = {}

def pytest_collection():
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
        time.sleep(3600)  # until it is killed

@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    nodes[node.gateway.id] = node

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node):
    nodes["gw1"].gateway._io.popen.kill()
"""


def test_where_workers_die_and_are_not_replaced_it_is_told_what_did_not_run(tmp_path, pytest_in):
    """Where none of them had a test, xdist knows of no failure, and the exit code was 0."""
    write(tmp_path, steps=2)
    (tmp_path / "conftest.py").write_text(NO_LIST)
    arguments = ["-n", "2", "-k", "test_cell", "--max-worker-restart", "0"]
    done = pytest_in(tmp_path, *arguments, scale="smoke")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "workers died, and 6 tests did not run" in done.stdout
    assert "the test that it had begun" not in done.stdout


ORPHANED = """
import os, pathlib, time
import pytest

CONTROLLER = os.getppid()

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    pathlib.Path("trained").touch()
    while os.getppid() == CONTROLLER:
        time.sleep(0.05)
    return result

@pytest.hookimpl(trylast=True)
def pytest_runtest_logstart(nodeid):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pathlib.Path("told").touch()
"""


def test_a_worker_whose_controller_was_killed_ends_without_a_word(tmp_path, store):
    """xdist's own end would be a warning about a closed channel."""
    write(tmp_path, steps=2)
    (tmp_path / "conftest.py").write_text(ORPHANED)
    # few tests: five seconds after its controller a worker is interrupted by execnet
    process = started(tmp_path, "--scale", "smoke", "--no-report", "-k", "test_cell and tune")
    wait_for(process, lambda: all((tmp_path / name).exists() for name in ("trained", "told")))
    process.kill()
    said, _ = process.communicate()  # which the workers share: it waits for them
    assert ": begun; " in said
    assert "Error" not in said
    assert "Warning" not in said
    assert stored(store)


def test_the_settings_of_a_grid_are_tried_before_any_training_too(tmp_path):
    file = write(tmp_path)
    tried = '"model_args.norm": ("none", "batch"), "batch_size": (1, 32)'
    file.write_text(file.read_text().replace('"lr": (0.3, 1.0)', tried))
    session, said = Session("", "", "", "cpu", "", 0.0), []
    shown = SimpleNamespace(show_check=lambda name, *_: said.append(name))
    plugins = SimpleNamespace(get_plugin=lambda _: shown)
    config = SimpleNamespace(stash={KEY: session}, pluginmanager=plugins)
    ablation = load(file)
    assert len(ablation.works("cpu")) == 8  # two arms, two norms, two sizes of minibatch
    with pytest.raises(DlgbenchError, match=r"^width: .* batch_size 1 do not go together"):
        launch._check(config, [ablation])
    assert said == ["width"]


def test_a_worker_that_dies_is_noted():
    progress, session = SimpleNamespace(has_lost_worker=False), Session("", "", "", "cpu", "", 0.0)
    plugins = SimpleNamespace(get_plugin=lambda _: progress)
    node = SimpleNamespace(config=SimpleNamespace(pluginmanager=plugins, stash={KEY: session}))
    pytest_plugin.pytest_testnodedown(node, None)
    assert not progress.has_lost_worker
    pytest_plugin.pytest_testnodedown(node, "Not properly terminated")
    assert progress.has_lost_worker


def test_a_worker_for_each_core_only_over_ablations(monkeypatch, tmp_path):
    monkeypatch.setattr(pytest_plugin.os, "sched_getaffinity", lambda _: range(64), raising=False)
    write(tmp_path)
    (tmp_path / "other").mkdir()

    def workers(scale, folder):
        session = Session("", "", "sqlite:///x", scale, "", 0.0)
        return pytest_xdist_auto_num_workers(
            SimpleNamespace(args=[str(folder)], stash={KEY: session}, getoption=lambda _: None)
        )

    assert workers("cpu", tmp_path) == 64
    assert workers("cpu", tmp_path / "other") is None  # left to xdist
