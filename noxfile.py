"""The sessions, all in one environment: `nox -l` lists them, `nox -s ablations` is the main job."""

import hashlib
import os
import sys
from pathlib import Path

import nox

ENVIRONMENT = Path(".nox/dlgbench").resolve()  # torch fills 5 GB of it: all sessions share this one
PYTHON = str(ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
WORKERS = str(min(os.cpu_count() or 1, 8))  # of the tests; each imports torch
nox.options.sessions = ["tests", "lint", "types"]
session = nox.session(venv_backend="none")


def run(session: nox.Session, *command: str) -> None:
    """Runs a module, or a file, in the shared environment.

    The environment is made on the first call, and again when pyproject.toml has changed.
    """
    stamp = ENVIRONMENT / "installed"
    wanted = hashlib.sha256(Path("pyproject.toml").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        session.log(f"making the environment {ENVIRONMENT}: a few minutes, once")
        session.run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT), external=True)
        project = nox.project.load_toml("pyproject.toml")
        groups = nox.project.dependency_groups(project, "lint", "types")
        session.run(PYTHON, "-m", "pip", "install", "-e", ".[ray]", *groups, external=True)
        stamp.write_text(wanted)
    timeouts = {"interrupt_timeout": 60, "terminate_timeout": 10}  # time to clean up after Ctrl-C
    module = [] if command[0].endswith(".py") else ["-m"]
    session.run(PYTHON, *module, *command, external=True, **timeouts)


@session
def tests(session: nox.Session) -> None:
    """Unit tests, then what `nox -s smoke` runs: `nox -s tests -- -k stats`."""
    # the slowest tests come last: a worker that is done takes some of another's
    run(session, "pytest", "tests", "-n", WORKERS, "--dist", "worksteal", *session.posargs)
    if not session.posargs:
        smoke(session)


@session(name="smoke")
def smoke_session(session: nox.Session) -> None:
    """A few steps of all that cpu, gpu and paper train, on a CPU: does everything still run?"""
    smoke(session)


def smoke(session: nox.Session) -> None:
    """Runs every ablation for a few steps, at gpu's and paper's size too, in a temporary store."""
    store = Path(session.create_tmp()).resolve() / "smoke.db"
    store.unlink(missing_ok=True)
    options = ["--scale", "smoke", "--rehearse", "-n", WORKERS]
    options += ["--tracking-uri", f"sqlite:///{store}"]
    run(session, "pytest", "ablations", *options, *session.posargs)


@session
def ablations(session: nox.Session) -> None:
    """Every ablation at this machine's scale, then the page: `nox -s ablations -- -k dropout`."""
    run(session, "dlgbench", "run", *session.posargs)


@session
def report(session: nox.Session) -> None:
    """The figures and the page, from the store alone: `nox -s report -- --scale cpu`."""
    run(session, "dlgbench", "report", *session.posargs)


@session
def ui(session: nox.Session) -> None:
    """MLflow on 127.0.0.1 over the store: `nox -s ui -- --port 5001`."""
    run(session, "dlgbench", "ui", *session.posargs)


@session
def bench(session: nox.Session) -> None:
    """Costs: of the harness per step, of a ResNet-50, of BatchNorm; and the gain of two workers."""
    for what in ("harness", "workers", "resnet50", "batchnorm"):
        run(session, "dlgbench", "bench", what, *session.posargs)


@session
def faults(session: nox.Session) -> None:
    """Kills, full disks, dead servers at random moments: `nox -s faults -- --trials 60`."""
    run(session, "tests/faults.py", *session.posargs)


@session
def lint(session: nox.Session) -> None:
    """ruff: check, and the format without changing it."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")


@session
def types(session: nox.Session) -> None:
    """mypy, over the package, the reports, the ablations and this file."""
    run(session, "mypy")
