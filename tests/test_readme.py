"""What README.md says is true."""

import re
import subprocess
import sys
from pathlib import Path

from dlgbench.reports import results

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_ablation_in_the_readme_runs_anywhere(tmp_path):
    code, _ = CODE
    assert len(code.splitlines()) <= 40
    (tmp_path / "test_sigmoid.py").write_text(code)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "test_sigmoid.py",
        "--scale",
        "smoke",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    command += ["--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed, 1 skipped" in done.stdout


def test_the_parts_can_be_had_by_themselves():
    names: dict = {}
    exec(CODE[1], names)
    assert sum(p.numel() for p in names["network"].parameters()) < 269_722 / 10
    assert (names["module"].recipe.task, names["module"].recipe.lr) == ("segmentation", 1e-3)


def test_the_table_of_verdicts_is_the_reference_files():
    table = README.split("<!-- verdicts: cpu -->\n")[1].split("<!-- end of verdicts -->")[0]
    assert table == results.markdown_table(ROOT / "reports" / "results" / "cpu.json"), (
        "dlgbench report --scale cpu --reference reports/results"
    )


def test_every_session_that_the_readme_names_is_in_the_noxfile():
    sessions = set(re.findall(r"nox -s ([a-z]+)", README))
    noxfile = (ROOT / "noxfile.py").read_text()
    assert sessions >= {"tests", "ablations", "ui", "report"}
    for name in sessions:
        assert re.search(rf'^def {name}\(session|name="{name}"', noxfile, re.MULTILINE), name
