"""Fixtures that many tests share.

A fresh SQLite store must be migrated, which takes seconds: the stores here are copies of a migrated
one.
"""

import os
import shutil
import subprocess
import sys

import pytest

from dlgbench.tracking import Store

collect_ignore = ["plugin_package"]  # a sample of a user's package, for test_plugins.py


@pytest.fixture(scope="session")
def migrated(tmp_path_factory, worker_id):
    """The file of an empty store, migrated once for all tests and workers."""
    from filelock import FileLock

    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    file = shared / "migrated" / "mlflow.db"
    with FileLock(shared / "migrated.lock"):
        if not file.exists():
            draft = shared / "draft"
            draft.mkdir()
            Store(f"sqlite:///{draft}/mlflow.db", draft).open()
            draft.rename(file.parent)
    return file


@pytest.fixture
def fresh(migrated):
    """`fresh(folder)`: puts an empty store into a folder and opens it."""

    def fresh(folder, name="mlflow.db"):
        shutil.copy(migrated, folder / name)
        return Store(f"sqlite:///{folder}/{name}", folder)

    return fresh


@pytest.fixture
def store(fresh, tmp_path):
    """An empty store in a folder of its own."""
    return fresh(tmp_path)


@pytest.fixture(name="pytest_in")  # pytest takes a function pytest_... in a conftest.py for a hook
def _pytest_in():
    """`pytest_in(folder, *args)`: the result of a new pytest process there, at scale cpu.

    It makes no page unless `report` is set.
    """

    def pytest_in(folder, *args, scale="cpu", report=False, env=()):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--scale", scale]
        command += [*([] if report else ["--no-report"]), *args]
        environment = {**os.environ, "PYTEST_ADDOPTS": "", **dict(env)}
        environment.pop("MLFLOW_TRACKING_URI", None)
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, env=environment, check=False
        )

    return pytest_in
