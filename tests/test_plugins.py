"""A user's package, built and installed: its parts are found, and work like the suite's own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "plugin_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the package was installed into by pip."""
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    target = tmp_path_factory.mktemp("target")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_package_brings_parts_and_ablations_on_each(
    installed, tmp_path, fresh, pytest_in
):
    store = fresh(tmp_path)
    shutil.copytree(PACKAGE / "ablations", tmp_path / "ablations")
    environment = {"PYTHONPATH": str(installed)}
    done = pytest_in(tmp_path, "ablations", "-n", "2", report=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 claims: 4 supported" in done.stdout, done.stdout
    assert "Traceback" not in done.stdout

    page = (tmp_path / "reports" / "build" / "index.html").read_text()
    assert "Margins of the test split" in page  # the figure
    runs = store._client.search_runs(["1", "2", "3", "4"], "tags.`dlgbench.seed` = '0'")
    kept = [run for run in runs if "dlgbench.arrays" in run.data.tags]
    assert {run.data.tags["dlgbench.arm"] for run in kept} == {"short", "long"}  # the probe's
    curves = json.loads(
        next(run.data.tags for run in runs if run.data.tags["dlgbench.arm"] == "smoothed")[
            "dlgbench.curves"
        ]
    )
    assert "train/smoothed" in curves  # what the task's own training_step logs

    # nothing is run again, but for what depends on changed code
    parts = installed / "sample_parts" / "parts.py"
    parts.write_text(parts.read_text().replace("mean margin", "average margin"))  # a docstring
    helper = installed / "sample_parts" / "points.py"
    helper.write_text(helper.read_text() + "\n# a comment\n")
    again = pytest_in(tmp_path, "ablations", "-k", "test_cell", env=environment)
    assert " 0 trained" in again.stdout
    helper.write_text(helper.read_text().replace("0.1, n", "0.2, n"))
    again = pytest_in(tmp_path, "ablations", "-k", "test_cell and data", env=environment)
    assert "10 of 10, 10 trained" in again.stdout, again.stdout


def test_a_registered_data_set_stands_in_for_another_of_its_kind(
    installed, tmp_path, fresh, pytest_in
):
    fresh(tmp_path)
    shutil.copytree(PACKAGE / "ablations", tmp_path / "ablations")
    environment = {"PYTHONPATH": str(installed)}
    args = ("ablations/test_data.py", "--data", "wide_rings", "-k", "test_cell and linear")
    done = pytest_in(tmp_path, *args, env=environment)
    assert "5 of 5, 5 trained" in done.stdout, done.stdout + done.stderr
    args = ("ablations/test_data.py", "--data", "wide_ring")
    done = pytest_in(tmp_path, *args, env=environment)
    message = "no data set that can stand in for others is called 'wide_ring'; did you mean"
    assert message in done.stdout + done.stderr
    assert done.returncode != 0
