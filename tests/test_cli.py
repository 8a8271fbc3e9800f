import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlgbench import cli

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    """The repository's ablations over an empty store."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def test_list_shows_every_claim(capsys):
    assert cli.main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"ablation", "file", "claim", "slide", "expect", "verdict"} <= rows[0].keys()
    assert {row["ablation"] for row in rows} >= {
        "regularization/dropout",
        "depth/gradient_depth",
        "image_to_image/dilation",
    }
    assert all((ROOT / row["file"]).is_file() and row["verdict"] is None for row in rows)
    assert cli.main(["list", "ablations/image_to_image"]) == 0
    assert "F3 sees 15x15" in capsys.readouterr().out


def test_models_lists_the_registry(capsys, monkeypatch):
    from dlgbench import models

    assert cli.main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(models.MODELS)
    assert rows["resnet50"] | {"paper": "", "proof": ""} == {
        "name": "resnet50",
        "family": "ResNet",
        "year": 2016,
        "paper": "",
        "task": "classification",
        "input_shape": [3, 224, 224],
        "parameters": 25_557_032,
        "flops": pytest.approx(2 * 4.09e9, rel=0.01),  # torchvision gives 4.09 G multiply-adds
        "receptive_field": 427,
        "proof": "",
    }
    assert all(
        row["flops"] > 0 and row["proof"].startswith("tests/")
        for row in rows.values()
        if row["task"] != "minimization"
    )
    monkeypatch.setattr(models, "MODELS", {"mlp": models.MODELS["mlp"]})
    assert cli.main(["models"]) == 0
    assert "118,282" in capsys.readouterr().out


def test_run_judges_and_reports_and_the_rest_reads_it_back(capfd, tmp_path, monkeypatch):
    (tmp_path / "ablations" / "image_to_image").mkdir(parents=True)
    shutil.copy(
        ROOT / "ablations" / "image_to_image" / "test_dilation.py",
        tmp_path / "ablations" / "image_to_image",
    )
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "-k", "dilation", "--scale", "cpu", "-n", "0", "-q"]) == 0
    out = capfd.readouterr().out
    assert "17 passed" in out
    assert f"report: {(tmp_path / 'reports/build/index.html').as_uri()}" in out
    assert cli.main(["verdicts", "--json"]) == 0
    rows = {row["claim"]: row for row in json.loads(capfd.readouterr().out)}
    assert (
        rows["F3 sees 15x15"]["verdict"],
        rows["F3 sees 15x15"]["effect"],
        rows["F3 sees 15x15"]["p"],
    ) == ("supported", 15, None)
    assert rows["Control: three plain layers see 15x15 too"]["verdict"] == "refuted"
    assert cli.main(["verdicts"]) == 0
    assert "F3 sees 15x15" in capfd.readouterr().out
    assert (
        cli.main(
            ["report", "--out", str(tmp_path / "page"), "--reference", str(tmp_path / "reference")]
        )
        == 0
    )
    assert "F3 sees 15x15" in (tmp_path / "page" / "index.html").read_text()
    assert json.loads((tmp_path / "reference" / "cpu.json").read_text())["claims"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["list", "nowhere"], "no ablations below nowhere"),
        (["report"], "no runs"),
        (
            ["verdicts", "--tracking-uri", "http://127.0.0.1:9"],
            "the tracking store http://127.0.0.1:9 is out of reach",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(args, message, capsys):
    assert cli.main(args) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_every_command_explains_itself():
    for command in ("list", "run", "report", "ui", "models", "verdicts", "bench"):
        done = subprocess.run(
            [sys.executable, "-m", "dlgbench", command, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0
        assert done.stdout.startswith(f"usage: dlgbench {command}")


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        (["-k", "tests", "--data-root", "dlgbench"], ["ABLATIONS"]),
        (["--scale", "cpu"], ["ABLATIONS"]),
        (["ablations/depth", "-x"], []),
        (["-v", "ablations/depth/test_initialization.py::test_claim"], []),
    ],
)
def test_run_hands_over_to_pytest_what_it_is_given(args, paths, monkeypatch):
    called = []
    monkeypatch.setattr(cli, "_call", lambda command: called.append(command) or 5)
    assert cli.main(["run", *args]) == 5
    (command,) = called
    assert command[3:] == [str(ROOT / "ablations") for _ in paths] + args + [
        "-n",
        str(cli.workers("cpu")),
    ]


def test_the_benchmark_of_the_workers_is_an_ablation_that_loads(tmp_path):
    from dlgbench import bench
    from dlgbench.ablation import load

    (tmp_path / "test_bench.py").write_text(bench.FILE)
    assert len(load(tmp_path / "test_bench.py").cells("cpu")) == 40


def test_as_many_workers_as_cores(monkeypatch):
    monkeypatch.setattr(cli.os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert cli.workers("cpu") == 64
    assert cli.workers("gpu") == cli.MOST_GPU_WORKERS
