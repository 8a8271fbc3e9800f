import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlgbench import cli, registry

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "list",
    "plan",
    "run",
    "report",
    "ui",
    "models",
    "verdicts",
    "compare",
    "clean",
    "bench",
)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    """The repository's ablations over an empty store."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def executed(monkeypatch):
    """The command that takes this process's place, which here returns 5."""
    commands = []
    monkeypatch.setattr(cli.os, "execv", lambda _file, command: commands.append(command) or 5)
    return commands


def test_list_shows_every_claim(capsys):
    assert cli.main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"ablation", "file", "claim", "slide", "expect", "verdict"} <= rows[0].keys()
    some = {"regularization/dropout", "depth/gradient_depth", "image_to_image/dilation"}
    assert {row["ablation"] for row in rows} >= some
    assert all((ROOT / row["file"]).is_file() and row["verdict"] is None for row in rows)
    assert cli.main(["list", "ablations/image_to_image"]) == 0
    assert "F3 sees 15x15" in capsys.readouterr().out


def test_models_lists_the_registry(capsys):
    assert cli.main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(registry.MODELS)
    assert cli.main(["models"]) == 0
    assert "118,282" in capsys.readouterr().out  # parameters of the mlp


FRAGILE = """
from dlgbench import Ablation, Claim, exactly, value


def train(config, seed, log):
    return {"count": 15 - (seed == 1)}


ABLATION = Ablation(
    question="Q?",
    train=train,
    config={"arm": "a"},
    metrics={"count": "number of pixels"},
    arms={"a": {}},
    scales={"cpu": {"seeds": 5}},
    claims=[Claim("Every seed sees 15", value("count", "a"), exactly(15), expect="refuted")],
)
"""


def test_run_judges_and_the_rest_reads_it_back(capsys, tmp_path, monkeypatch, migrated):
    shutil.copy(migrated, tmp_path)
    folder = tmp_path / "ablations" / "image_to_image"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "ablations" / "image_to_image" / "test_dilation.py", folder)
    (folder / "test_dilation_by_chance.py").write_text(FRAGILE)
    monkeypatch.chdir(tmp_path)
    # what the repository's settings make of pytest without a path is not what is run
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_trap.py").write_text("def test_dilation():\n    assert False\n")
    command = [sys.executable, "-m", "dlgbench", "run", "-k", "dilation"]
    command += ["--scale", "cpu", "-q", "--no-report"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "23 passed" in done.stdout
    mark = "fragile: the verdict rests on one seed"  # wherever a verdict is shown
    assert mark in map(str.strip, done.stdout.splitlines())  # below the claim, in the table
    assert "report: " not in done.stdout  # the page at a run's end has tests of its own
    assert cli.main(["verdicts", "--json"]) == 0
    rows = {row["claim"]: row for row in json.loads(capsys.readouterr().out)}
    seen = rows["F3 sees 15x15"]
    assert (seen["verdict"], seen["effect"], seen["p"]) == ("supported", 15, None)
    assert rows["Control: three plain layers see 15x15 too"]["verdict"] == "refuted"
    assert [claim for claim, row in rows.items() if row["fragile"]] == ["Every seed sees 15"]
    assert cli.main(["verdicts"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "F3 sees 15x15" in shown
    assert shown.count("fragile") == 1
    assert cli.main(["list", "--json"]) == 0
    listed = {row["verdict"] for row in json.loads(capsys.readouterr().out)}
    assert listed == {"supported", "refuted"}
    out, reference = tmp_path / "page", tmp_path / "reference"
    assert cli.main(["report", "--out", str(out), "--reference", str(reference)]) == 0
    assert f"report: {(out / 'index.html').as_uri()}" in capsys.readouterr().out
    page = (out / "index.html").read_text()
    assert "F3 sees 15x15" in page
    assert page.count(mark) == 1
    claims = json.loads((reference / "cpu.json").read_text())["claims"]
    assert [row["claim"] for row in claims if row.get("fragile")] == ["Every seed sees 15"]
    assert (reference / "README.md").read_text().count("refuted, as expected, fragile |") == 1


NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("message", "args"),
    {
        "expected a folder with test_*.py files that declare ABLATION": ["list", "nowhere"],
        "report: expected runs at scale paper or gpu or cpu of ": ["report"],
        f"the tracking store {NOWHERE} is out of reach": ["verdicts", "--tracking-uri", NOWHERE],
    }.items(),
)
def test_a_mistake_is_one_line_and_exit_code_2(message, args, capsys, fresh, tmp_path):
    fresh(tmp_path)
    assert cli.main(args) == 2
    *progress, last = capsys.readouterr().err.splitlines()  # on a busy machine it shows progress
    assert last.startswith(f"dlgbench: {message}")
    assert all(line.startswith("ablations read") for line in progress)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys, executed):
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert re.match(rf"usage: dlgbench {command}\b", capsys.readouterr().out)
    assert not executed


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"^ +{command} ", shown, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-k", "tests", "--data-root", "dlgbench"],
        ["ablations/depth", "-x", "--color=yes"],
        ["--color=no"],  # no abbreviation of --collect-only: argparse would take --co for one
        ["--cov", "--confcutdir=."],
        ["--co"],
        ["-v", "ablations/depth/test_initialization.py::test_claim"],
    ],
)
def test_run_is_pytest_with_workers_over_ablations(args, executed):
    assert cli.main(["run", *args]) == 5
    pytest_itself = [sys.executable, "-m", "pytest", "--ablations", "-n", "auto"]
    assert executed == [[*pytest_itself, *args]]


def test_ui_is_mlflow_over_the_store(executed, capsys, fresh, tmp_path):
    fresh(tmp_path)
    assert cli.main(["ui", "--port", "5001"]) == 5
    ((*_, backend, host, address, port, number),) = executed
    assert backend == f"sqlite:///{tmp_path}/mlflow.db"
    assert (host, address, port, number) == ("--host", "127.0.0.1", "--port", "5001")
    assert cli.main(["ui", "--tracking-uri", "http://there:1"]) == 0  # it has one of its own
    assert "http://there:1" in capsys.readouterr().out
    assert len(executed) == 1


def test_the_benchmark_of_the_workers_is_an_ablation_that_loads(tmp_path):
    from dlgbench import bench
    from dlgbench.discovery import load

    (tmp_path / "test_bench.py").write_text(bench.FILE)
    assert len(load(tmp_path / "test_bench.py").cells("cpu")) == 40
