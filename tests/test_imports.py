"""Who may import whom: the layers of the design, read off the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOUNS = {"errors", "recipe", "metrics", "scale", "claim", "stats"}
MAY = {
    "errors": set(),
    "recipe": {"errors"},
    "metrics": {"errors", "recipe"},
    "scale": {"errors", "recipe"},
    "claim": {"errors"},
    "stats": {"claim", "metrics"},
    "ablation": NOUNS - {"stats"},
    "judging": {"ablation", "claim", "errors", "stats"},
    "streams": set(),
    "provenance": set(),
    "equations": {"errors"},
    "layers": {"errors", "streams"},
    "models": {"errors", "layers"},
    "data": {"errors", "recipe", "streams"},
    "tasks": {"errors", "recipe", "layers", "models", "data"},
    "probes": {"errors", "metrics", "recipe", "equations", "streams", "layers"},
    "train": {
        "ablation",
        "errors",
        "metrics",
        "recipe",
        "streams",
        "provenance",
        "data",
        "layers",
        "models",
        "probes",
        "tasks",
    },
    "sqlite": set(),
    "tracking": {"ablation", "claim", "errors", "recipe", "sqlite"},
    "runner": {"ablation", "claim", "errors", "judging", "tracking", "train"},
    "progress": {"ablation", "pytest_plugin"},
    "reports": {
        "ablation",
        "claim",
        "errors",
        "judging",
        "metrics",
        "recipe",
        "scale",
        "stats",
        "tracking",
        "provenance",
    },
}


def modules():
    for file in sorted([*(ROOT / "dlgbench").rglob("*.py"), *(ROOT / "reports").rglob("*.py")]):
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield file, (parts[0] if parts[0] == "reports" else parts[1])


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "dlgbench"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".") for name in names)


@pytest.mark.parametrize(
    ("file", "part"),
    [pytest.param(*entry, id=str(entry[0].relative_to(ROOT))) for entry in modules()],
)
def test_layers(file, part):
    inside = {name[1] for name in imported(file) if name[0] == "dlgbench" and len(name) > 1} - {
        part
    }
    if part in MAY:
        public = (
            {"DlgbenchError", "Run", "Cell", "Ablation", "Claim", "Verdict"}
            if part == "reports"
            else set()
        )
        assert inside <= MAY[part] | public, f"{part} may not import {inside - MAY[part]}"
    outside = {name[0] for name in imported(file)}
    if part in NOUNS | {"ablation", "judging"}:
        assert not outside & {"torch", "pytorch_lightning", "mlflow", "pytest"}
    if part == "reports":
        assert not outside & {"torch", "pytorch_lightning", "mlflow", "pytest"}
    if "mlflow" in outside:
        assert part == "tracking"
    if outside & {"pytest", "_pytest", "xdist"}:
        assert part in {"pytest_plugin", "progress"}
    if "Trainer(" in file.read_text():
        assert part in {"train", "bench"}


def test_list_imports_neither_torch_nor_lightning_nor_mlflow():
    code = (
        "import sys; from dlgbench.cli import main; code = main(['list', '--json']); "
        "heavy = {'torch', 'pytorch_lightning', 'mlflow', 'scipy'} & set(sys.modules); sys.exit(code or bool(heavy) and str(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
