"""The plugin from outside: an ablation in somebody else's folder, with nothing but the package installed."""

import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from dlgbench import Ablation, Claim, Recipe, Verdict, at_least, value
from dlgbench.ablation import load
from dlgbench.data.images import FASHION_MNIST
from dlgbench.progress import Progress
from dlgbench.pytest_plugin import SETTINGS, settle
from dlgbench.tracking import Store

FILE = '''
"""Does a wider net fit XOR better?"""
from dlgbench import Ablation, Claim, Recipe, at_least, difference, value

ABLATION = Ablation(
    question="Does a wider net fit XOR better?", slide="mine",
    recipe=Recipe(model="mlp", data="xor", data_args={"train": 300, "val": 100}, steps=STEPS, evaluations=2),
    arms={"narrow": {"model_args.hidden": (1,)}, "wide": {"model_args.hidden": (32,)}},
    tune={"lr": (0.3, 1.0)},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 1}, "gpu": {}},
    claims=[
        Claim("Wider is better", difference("test/error", "narrow", "wide"), at_least(0.05)),
        Claim("Wider is much worse", difference("test/error", "wide", "narrow"), at_least(0.05)),
        Claim("A slip of the slides", difference("test/error", "wide", "narrow"), at_least(0.05), expect="refuted"),
        Claim("Between", difference("test/error", "narrow", "wide"), at_least(BETWEEN)),
    ],
)

def test_cell(cell, measure):
    measure(cell)

def test_claim(claim, judge):
    judge(claim)
'''


def write(folder, steps=200, between=0.25, data="xor"):
    (folder / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '0'\n")
    file = folder / "test_width.py"
    file.write_text(
        FILE.replace("STEPS", str(steps))
        .replace("BETWEEN", str(between))
        .replace('"xor"', f'"{data}"')
    )
    return file


def call(folder, *args, **options):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--scale", "cpu", *args]
    env = {**os.environ, "PYTEST_ADDOPTS": "", **options.pop("env", {})}
    env.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=env,
        check=False,
        **options,
    )


def test_somebody_elses_ablation_gets_everything_for_nothing(tmp_path):
    write(tmp_path)
    done = call(tmp_path, "-n", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "14 of 14, 14 trained" in done.stdout
    assert "supported: test/error: narrow - wide" in done.stdout
    assert "✗ refuted (expected supported)" in done.stdout
    assert "✗ refuted, as expected" in done.stdout
    assert (
        done.stdout.index("runs and verdicts: ")
        < done.stdout.index("4 claims: ")
        < done.stdout.index("not as expected")
    )
    assert "1 failed, 17 passed" in done.stdout or "1 failed, 16 passed, 1 xfailed" in done.stdout
    assert (
        f"runs and verdicts: sqlite:///{tmp_path}/mlflow.db (dlgbench ui shows them)" in done.stdout
    )
    assert "Traceback" not in done.stdout

    again = call(tmp_path, "-k", "claim and better")  # a claim alone, and nothing is trained again
    assert again.returncode == 0, again.stdout
    assert "1 passed" in again.stdout
    runs = Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)._client.search_runs(
        ["1"], "tags.`dlgbench.kind` = 'cell'"
    )
    assert len(runs) == 14


def test_a_claim_pulls_its_cells_in_a_fresh_store(tmp_path):
    write(tmp_path, steps=20)
    done = call(tmp_path, "test_width.py::test_claim", "-k", "slip")
    assert "A slip of the slides: " in done.stdout
    assert (
        len(
            Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)._client.search_runs(
                ["1"], "tags.`dlgbench.kind` = 'cell'"
            )
        )
        == 14
    )


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_another_data_set_is_asked_what_suits_it_and_the_rest_is_told(tmp_path, workers):
    text = write(tmp_path, steps=2, data="mnist5k").read_text()
    (tmp_path / "test_many.py").write_text(text.replace('"train": 300', '"train": 2000'))
    (tmp_path / "test_points.py").write_text(text.replace("mnist5k", "xor"))
    done = call(tmp_path, "--data", "digits", "-k", "test_cell and narrow", *workers)
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout  # 2 rates and 5 seeds, of one of the three files
    assert (
        "not asked on digits, which does not suit them:\n  many: data set digits: its pool of 1200 can't give train=2000 and val=200\n"
        in done.stdout
    )
    assert "points" not in done.stdout
    assert (
        "many"
        not in call(
            tmp_path, "--data", "digits", "-k", "test_width and test_cell and s0", *workers
        ).stdout
    )
    assert Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path).runs(
        load(tmp_path / "test_width.py").with_data("digits"), "cpu"
    )


def test_a_kill_in_the_middle_loses_and_doubles_nothing(tmp_path):
    write(tmp_path, steps=3000)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--scale",
        "cpu",
        "-n",
        "2",
        "-k",
        "test_cell",
    ]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    until = time.time() + 60
    while time.time() < until and (
        not (tmp_path / "mlflow.db").exists() or len(finished(store)) < 3
    ):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = finished(store)
    assert 3 <= len(before) < 14
    done = call(tmp_path, "-n", "2", "-k", "test_cell")
    assert done.returncode == 0, done.stdout
    after = finished(store)
    assert set(before.items()) <= set(after.items())  # kept as they were
    assert len(after) == 14
    assert len(store._client.search_runs(["1"])) == 14


def finished(store):
    everywhere = [experiment.experiment_id for experiment in store._client.search_experiments()]
    runs = store._client.search_runs(
        everywhere, "tags.`dlgbench.kind` = 'cell' and attributes.status = 'FINISHED'"
    )
    return {run.data.tags["dlgbench.fingerprint"]: run.info.run_id for run in runs}


@pytest.mark.parametrize(
    ("data", "args", "message"),
    [
        ("xorr", (), "ERROR: width: no data set is called 'xorr'; did you mean 'xor'?"),
        ("fashion_mnist", (), "train-images-idx3-ubyte is corrupt: SHA-256"),
        ("mnist5k", ("--data", "fashion_mnist"), "train-images-idx3-ubyte is corrupt: SHA-256"),
        ("xor", ("--scale", "gpu"), "scale gpu wants a CUDA device"),
        (
            "xor",
            ("--tracking-uri", "http://127.0.0.1:9"),
            "ERROR: the tracking store http://127.0.0.1:9 is out of reach",
        ),
    ],
)
def test_a_users_mistake_is_one_message_before_any_training(tmp_path, data, args, message):
    write(tmp_path, data=data)
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FASHION_MNIST:
        (raw / name).write_bytes(b"junk")
    hidden = {"DLGBENCH_DATA": str(tmp_path / "data"), "CUDA_VISIBLE_DEVICES": ""}
    for workers in ((), ("-n", "1")) if data == "xorr" else ((),):
        done = call(tmp_path, *args, *workers, env=hidden)
        assert done.returncode == 4, done.stdout + done.stderr
        assert message in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "trained" not in done.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            '"wide", "narrow"), at_least(0.05)),',
            '"wide", "narow"), at_least(0.05)),',
            "no arm is called 'narow'; did you mean 'narrow'?",
        ),
        (
            "steps=200",
            "stepps=200",
            "TypeError: Recipe.__init__() got an unexpected keyword argument 'stepps'",
        ),
        ("claims=[", "claims=[[", "SyntaxError"),
        (
            "def test_claim(claim, judge):\n    judge(claim)\n",
            "",
            "no test judges them; add: def test_claim(claim, judge): judge(claim)",
        ),
    ],
)
def test_an_ablation_that_makes_no_sense_says_so_without_a_traceback(
    tmp_path, right, wrong, message
):
    file = write(tmp_path)
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    done = call(tmp_path)
    assert done.returncode != 0
    assert message in done.stdout
    assert "importlib" not in done.stdout
    assert "dlgbench/ablation.py" not in done.stdout
    assert "trained" not in done.stdout


def test_an_ablation_may_bring_its_own_model_and_its_own_helpers(tmp_path):
    file = write(tmp_path, steps=20)
    (tmp_path / "mylib.py").write_text("WIDE = 9\n")
    own = "from mylib import WIDE\nfrom dlgbench import register_model\nfrom torch import nn\n\n"
    own += '@register_model("mine", family="F", year=2026, paper="none")\ndef mine(input_shape, num_classes, hidden=(WIDE,)):\n'
    own += "    return nn.Sequential(nn.Linear(2, hidden[0]), nn.ReLU(), nn.Linear(hidden[0], num_classes))\n\n"
    file.write_text(
        file.read_text()
        .replace("ABLATION =", own + "ABLATION =")
        .replace('model="mlp"', 'model="mine"')
    )
    for workers in ("0", "2"):
        done = call(tmp_path, "-n", workers, "-k", "test_cell")
        assert "14 passed" in done.stdout, done.stdout + done.stderr
    again = call(tmp_path, "-n", "2", "-k", "test_cell and narrow", "--rerun")
    assert "7 passed" in again.stdout
    assert "7 trained" in again.stdout


def test_a_project_without_ablations_is_left_alone(tmp_path):
    (tmp_path / "test_other.py").write_bytes(
        "# -*- coding: latin-1 -*-\nimport pytest, sys\nSTRING = 'caf\xe9'\n"
        "@pytest.mark.parametrize('cell', [1, 2])\ndef test_cell(cell):\n    assert 'torch' not in sys.modules and 'mlflow' not in sys.modules\n".encode(
            "latin-1"
        )
    )
    for workers in ("0", "1"):
        done = call(tmp_path, "-n", workers)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 passed" in done.stdout
        assert "runs and verdicts" not in done.stdout
    assert not (tmp_path / ".dlgbench").exists()


ABLATION = Ablation("Q?", "S", Recipe(model="mlp", steps=0), {"a": {}}, [], {"cpu": {}, "gpu": {}})


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
    if outcome is None:
        settle(claim, verdict, scale)
    else:
        with pytest.raises(outcome):
            settle(claim, verdict, scale)


def summary(rows, scale):
    """The lines at the end of a session, of verdicts given as (word, as expected)."""
    written = []
    terminal = SimpleNamespace(
        ensure_newline=lambda: None,
        isatty=False,
        write=written.append,
        write_line=lambda line, **_: written.append(f"{line}\n"),
    )
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=lambda _: terminal),
        stash={SETTINGS: {"uri": "sqlite:///x", "scale": scale}},
    )
    figures = {"method": "paired t", "interval": (0.0, 2.0), "effect": 1.0, "n": 5}
    progress = Progress(config)
    progress.verdicts = [
        {
            "ablation": "mine",
            "claim": f"Claim {k}.",
            "expect": "supported",
            "threshold": "at least 1",
            "as_expected": expected,
            "figures": figures | {"verdict": word},
            "outcome": "failed" if word == "refuted" and not expected else "passed",
        }
        for k, (word, expected) in enumerate(rows)
    ]
    progress.pytest_terminal_summary(0)
    return "".join(written).splitlines()


def test_the_tally_comes_last_and_a_long_table_shows_what_was_not_expected():
    rows = [("supported", True)] * 38 + [("inconclusive", False), ("refuted", False)]
    lines = summary(rows, "cpu")
    assert (
        lines[-1]
        == "40 claims: 38 supported, 1 refuted, 1 inconclusive; 2 not as expected, and 1 of them fails the session: a finding, nothing broke"
    )
    assert sum("Claim " in line for line in lines) == 40
    lines = summary([("supported", True), *rows], "cpu")
    assert [found[0] for line in lines if (found := re.search(r"Claim \d+", line))] == [
        "Claim 39",
        "Claim 40",
    ]
    assert "39 as expected are in the report and `dlgbench verdicts`" in lines
    assert (
        lines[-1]
        == "41 claims: 39 supported, 1 refuted, 1 inconclusive; 2 not as expected, and 1 of them fails the session: a finding, nothing broke"
    )
    lines = summary([("supported", True)] * 41, "cpu")
    assert not any("Claim " in line for line in lines)
    assert lines[-1] == "41 claims: 41 supported, 0 refuted, 0 inconclusive; none not as expected"
    lines = summary([("refuted", False), *rows], "smoke")
    assert sum("Claim " in line for line in lines) == 41
    assert not any("not as expected" in line for line in lines)
