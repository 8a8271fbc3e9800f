"""Fixtures that many tests share.

A fresh SQLite store must be migrated, which takes seconds: the stores here are copies of a migrated
one.
"""

import contextlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dlgbench import fingerprint as prints
from dlgbench.tracking import Store

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # as a shell's background job, whose children would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)
for own in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
    os.environ.pop(own, None)  # or a session that a test starts would take itself for a worker
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


# code ---------------------------------------------------------------------------------------------

READ = {}  # what was made of a text, for all tests


def _by_content(function):
    """A function that a process calls once for each file: here once for each text of it."""

    def read(file):
        key = function.__name__, file.read_bytes()
        if key not in READ:
            READ[key] = function.__wrapped__(file)
        return READ[key]

    return read


@pytest.fixture
def read_anew(monkeypatch):
    """`read_anew()`: fingerprints read files anew, which a process does once; here they change."""

    def forget():
        for name in ("engine", "with_imports"):
            getattr(prints, name).cache_clear()

    for name in ("_parsed", "_code"):
        monkeypatch.setattr(prints, name, _by_content(getattr(prints, name)))
    yield forget
    forget()


@pytest.fixture
def edit(monkeypatch, read_anew):
    """`edit(file, change)`: a file of the suite's own as if it had been changed, the last alone."""
    texts, read = {}, Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: texts.get(file) or read(file))

    def edit(file, change):
        before = (prints.PACKAGE / file).read_text()
        assert change(before) != before
        texts.clear()
        texts[prints.PACKAGE / file] = change(before).encode()
        read_anew()

    return edit


@pytest.fixture
def executed():
    """`with executed() as files`: the suite's own files of which a function runs meanwhile."""
    package = f"{prints.PACKAGE}{os.sep}"

    @contextlib.contextmanager
    def executed():
        files, before = set(), sys.getprofile()

        def note(frame, event, _argument):
            code = frame.f_code
            is_function = code.co_flags & inspect.CO_OPTIMIZED  # not a module or a class body
            if event == "call" and is_function and code.co_filename.startswith(package):
                files.add(code.co_filename.removeprefix(package).replace(os.sep, "/"))

        sys.setprofile(note)
        try:
            yield files
        finally:
            sys.setprofile(before)

    return executed
