"""Who may import whom: the map of CONTRIBUTING.md, read off the source."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOUNS = {"recipe", "training", "claim", "scale", "metrics", "ablation"}
MAY = {  # what a module, or a folder, may import when it is imported itself
    "errors": set(),
    "streams": set(),
    "provenance": set(),
    "database": {"errors", "spool"},
    "devices": set(),
    "sqlite": {"database"},
    "interrupt": set(),
    "machine": {"spool"},
    "words": set(),
    # declare
    "registry": {"errors"},
    "claim": {"errors", "words"},
    "metrics": {"errors", "registry"},
    "recipe": {"errors", "metrics"},
    "training": {"errors", "recipe", "interrupt"},
    "scale": {"errors", "recipe"},
    "grouping": {"recipe", "registry", "scale"},
    "ablation": {
        *("errors", "registry", "claim", "grouping", "metrics", "recipe", "scale", "training"),
    },
    "discovery": {"errors", "ablation", "recipe"},
    # measure
    "equations": {"errors"},
    "layers": {"errors", "registry", "streams"},
    "models": {"errors", "registry", "layers"},
    "data": {"errors", "registry", "recipe", "streams"},
    "tasks": {"errors", "registry", "recipe", "layers", "models"},
    "probes": {"errors", "registry", "recipe", "equations", "layers", "models", "streams"},
    "fingerprint": {"ablation", "discovery", "provenance", "recipe", "registry"},
    "engine": {"errors", "data", "tasks"},
    "train": {
        *(
            "interrupt",
            "errors",
            "registry",
            "ablation",
            "recipe",
            "fingerprint",
            "provenance",
            "scale",
            "streams",
        ),
        *("data", "engine", "layers", "models", "probes", "tasks"),
    },
    "lanes": {
        *("errors", "registry", "ablation", "grouping", "train"),
        *("data", "engine", "layers", "models", "probes", "tasks"),
    },
    "preflight": {
        *("errors", "registry", "ablation", "recipe", "scale", "fingerprint", "train"),
        *("data", "data_table", "devices", "engine", "probes", "tasks"),
    },
    # store
    "records": {"ablation", "recipe", "registry"},
    "spool": {"errors", "records"},
    "connection": {"errors", "database", "records", "spool", "sqlite"},
    "tracking": {
        *("errors", "ablation", "claim", "connection", "database", "provenance", "records"),
        *("scale", "spool", "sqlite"),
    },
    # judge
    "samples": {"claim"},
    "stats": {"claim", "metrics", "samples", "words"},
    "levels": {"samples", "stats"},
    "judging": {"errors", "ablation", "claim", "metrics", "stats"},
    "baseline": {"errors", "claim", "words"},
    "data_table": {"registry", "errors"},
    "failures": {"errors", "ablation"},
    "operations": {"data_table", "recipe", "registry"},
    "rehearsal": {"ablation", "data_table", "recipe"},
    "plan": {
        *("ablation", "data_table", "devices", "grouping", "operations", "recipe", "registry"),
        *("scale", "words"),
    },
    "runner": {
        *("errors", "ablation", "claim", "devices", "failures", "grouping", "judging", "machine"),
        *("spool", "tracking"),
    },
    # a cluster
    "node": {
        *("errors", "ablation", "devices", "discovery", "failures", "judging", "machine", "recipe"),
        "scale",
    },
    "cluster": {"errors", "ablation", "devices", "node", "scale", "spool"},
    "cluster_runner": {
        *("errors", "ablation", "claim", "cluster", "failures", "grouping", "interrupt", "node"),
        *("provenance", "runner", "tracking"),
    },
    "cluster_bench": {"errors", "discovery", "provenance", "tracking"},
    # show
    "reports": {
        *("errors", "registry", "claim", "metrics", "recipe", "ablation", "discovery"),
        *("fingerprint", "judging", "scale", "stats", "tracking", "words"),
    },
    "session": {
        *("errors", "ablation", "baseline", "devices", "discovery", "interrupt", "scale"),
        "tracking",
    },
    "summary": {"claim", "words"},
    "progress": {"claim", "devices", "discovery", "interrupt", "session", "summary", "words"},
    "launch": {"errors", "ablation", "interrupt", "progress", "scale", "session", "words"},
    "options": {"baseline", "scale"},
    "fixtures": {
        *("errors", "ablation", "baseline", "claim", "devices", "launch", "progress", "session"),
        *("spool", "words"),
    },
    "pytest_plugin": {
        *("errors", "registry", "ablation", "baseline", "claim", "devices", "discovery"),
        *(
            "fixtures",
            "interrupt",
            "launch",
            "options",
            "progress",
            "rehearsal",
            "session",
            "spool",
        ),
    },
    "model_table": {"registry"},
    "cli": {
        *("errors", "interrupt", "ablation", "baseline", "claim", "scale", "discovery"),
        *("tracking", "words", "database"),
    },
    "bench": {
        *("ablation", "cluster_bench", "grouping", "recipe", "data", "lanes", "levels", "models"),
        *("probes", "provenance", "train"),
    },
    "__init__": {"errors", "registry", *NOUNS},
    "__main__": {"cli"},
}
LATER = {  # and what its functions may import when they are called
    "recipe": {"lanes", "train"},  # `run`: the way from a noun to what carries it out
    "grouping": {"data_table", "models"},  # how large a net is
    "training": {"ablation", "fingerprint", "provenance"},
    "fingerprint": {"data"},
    "runner": {"fingerprint", "lanes"},
    "data_table": {"data"},
    "node": {"fingerprint", "lanes", "preflight", "provenance", "train"},
    "launch": {"cluster", "connection", "fingerprint", "node", "plan", "preflight"},
    "fixtures": {"cluster_runner", "failures", "runner", "stats"},
    "pytest_plugin": {"preflight"},
    "operations": {"discovery", "models", "probes", "scale"},
    "session": {"data"},
    "model_table": {"probes"},
    "cli": {"bench", "model_table", "plan", "reports", "session", "stats"},
}
HEAVY = {"torch", "pytorch_lightning", "torchmetrics", "mlflow"}
ONLY = {  # who alone may import what, at any time
    "mlflow": {"database", "connection"},
    "ray": {"cluster", "cluster_bench"},
    "pytest": {"fixtures", "launch", "options", "progress", "pytest_plugin", "session"},
    "_pytest": set(),
    "xdist": set(),
    "pytorch_lightning": {"train", "engine", "tasks", "data", "probes"},
}
FILES = sorted([*(ROOT / "dlgbench").rglob("*.py"), *(ROOT / "reports").rglob("*.py")])


def part(file):
    """The module or folder of the map that a file belongs to; reports/ is dlgbench.reports."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] == "reports" else parts[1]


def imports(node, when="now"):
    """(dotted name, "now" | "later" | "types"): at import, in a function, or for types alone."""
    for child in ast.iter_child_nodes(node):
        inside = when
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and when == "now":
            inside = "later"
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inside = "types"
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            whole = child.module == "dlgbench"
            names = [f"dlgbench.{alias.name}" for alias in child.names] if whole else [child.module]
            yield from ((name, inside) for name in names)
        else:
            yield from imports(child, inside)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_each_file_imports_what_the_map_allows(file):
    text = file.read_text()
    found, here = list(imports(ast.parse(text))), part(file)
    for name, when in found:
        top, *inner = name.split(".")
        if when == "types" or inner[:1] == [here]:
            continue
        if top == "dlgbench":
            allowed = MAY[here] | (LATER.get(here, set()) if when == "later" else set())
            assert set(inner[:1]) <= allowed, f"{here} may not import {name} {when}"
        assert here in ONLY.get(top, {here}), f"{here} may not import {name}"
    if here in NOUNS | {"errors", "registry", "claim", "discovery", "judging", "reports"}:
        now = {name.partition(".")[0] for name, when in found if when == "now"}
        assert not now & HEAVY
    if here == "reports":
        assert not {name.partition(".")[0] for name, _ in found} & HEAVY
    if "Trainer(" in text:
        assert here in {"train", "probes"}


def test_nobody_calls_back_up():
    assert set(MAY) == {part(file) for file in FILES}
    graphlib.TopologicalSorter(MAY).prepare()  # raises CycleError
    assert set(LATER) <= set(MAY)


LISTING = """
import contextlib, io, sys
from dlgbench.cli import main

COMMANDS = (["list", "--json"], ["models", "--json"], ["plan", "--json", "--scale", "cpu"])
for command in (*COMMANDS, ["--help"], ["run", "--help"]):
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        assert main(command) == 0
    assert shown.getvalue()
    heavy = {"torch", "pytorch_lightning", "mlflow", "scipy", "pandas"} & set(sys.modules)
    assert not heavy, (command, heavy)
"""


def test_listing_imports_nothing_heavy(fresh, tmp_path, monkeypatch):
    """A store that is there is read without mlflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fresh(tmp_path).uri)
    command = [sys.executable, "-c", LISTING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
