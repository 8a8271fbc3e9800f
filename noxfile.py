"""The sessions, all in one environment: `nox -l` lists them, `nox -s ablations` is the main job."""

import hashlib
import sys
from pathlib import Path

import nox

ENVIRONMENT = ".nox/dlgbench"  # torch fills 5 GB of it: all sessions share this one
nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
session = nox.session(python=f"{sys.version_info.major}.{sys.version_info.minor}", venv_location=ENVIRONMENT)


def install(session: nox.Session) -> None:
    """Installs the package, editable, with every dependency group; again only when pyproject.toml has changed."""
    project = Path("pyproject.toml").read_bytes()
    stamp = Path(session.virtualenv.location) / "installed"
    wanted = hashlib.sha256(project).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    groups = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "lint", "types")
    session.log("installing torch and the rest: a few minutes, once")
    session.install("-e", ".", *groups)
    stamp.write_text(wanted)


@session
def tests(session: nox.Session) -> None:
    """Unit tests and the smoke scale of every ablation: `nox -s tests -- -k statistics`."""
    install(session)
    session.run("pytest", "tests", "-n", "auto", *session.posargs)
    if not session.posargs:
        smoke(session)


@session(name="smoke")
def smoke_session(session: nox.Session) -> None:
    """The smoke scale of every ablation, in a throw-away store: does everything still run?"""
    install(session)
    smoke(session)


def smoke(session: nox.Session) -> None:
    """Runs every ablation for a few steps; its runs go into a store of its own, which is thrown away."""
    store = Path(session.create_tmp()).resolve() / "smoke.db"
    store.unlink(missing_ok=True)
    session.run("pytest", "ablations", "--scale", "smoke", "-n", "auto", "--tracking-uri", f"sqlite:///{store}", *session.posargs)


@session
def ablations(session: nox.Session) -> None:
    """Every ablation at the scale of this machine, then the report: `nox -s ablations -- -k dropout --scale cpu`."""
    install(session)
    session.run("dlgbench", "run", *session.posargs)


@session
def report(session: nox.Session) -> None:
    """The figures and the page, from the store alone; trains nothing: `nox -s report -- --scale cpu`."""
    install(session)
    session.run("dlgbench", "report", *session.posargs)


@session
def ui(session: nox.Session) -> None:
    """MLflow on 127.0.0.1 over the store: `nox -s ui -- --port 5001`."""
    install(session)
    session.run("dlgbench", "ui", *session.posargs)


@session
def bench(session: nox.Session) -> None:
    """What the harness costs a step, and what a second worker brings."""
    install(session)
    for what in ("harness", "workers"):
        session.run("dlgbench", "bench", what, *session.posargs)


@session
def lint(session: nox.Session) -> None:
    """ruff: check and format."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@session
def types(session: nox.Session) -> None:
    """Mypy."""
    install(session)
    session.run("mypy")
