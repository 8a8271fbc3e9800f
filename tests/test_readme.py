"""What README.md says is true."""

import re
from pathlib import Path

from dlgbench.reports import results

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RECIPE, TRAINING, PARTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
USE_OF_PARTS = """
from dlgbench import Ablation, Claim, Recipe, at_least, value

ABLATION = Ablation(
    question="Is it sure?",
    recipe=Recipe(model="mlp", data="stripes", optimizer="slow_adam", probes=("confidence",)),
    arms={"a": {}},
    scales={"cpu": {"seeds": 5, "steps": 20}, "gpu": {}},
    claims=[Claim("It is surer than chance", value("confidence", "a"), at_least(0.4))],
)
"""


def test_the_ablations_in_the_readme_run_anywhere(tmp_path, fresh, pytest_in):
    fresh(tmp_path)
    assert len(RECIPE.splitlines()) <= 40
    assert len(TRAINING.splitlines()) <= 40
    files = {"sigmoid": RECIPE, "decay": TRAINING, "sure": PARTS + USE_OF_PARTS}
    for name, code in files.items():
        (tmp_path / f"test_{name}.py").write_text(code)
    done = pytest_in(tmp_path, "--rootdir", str(tmp_path), "-n", "2", scale="smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    # two arms x (a setting + two seeds), for a recipe and for training code; one arm without tuning
    assert "14 passed, 3 skipped" in done.stdout


def test_the_tally_of_verdicts_is_the_reference_files():
    tally = README.split("<!-- verdicts: cpu -->\n")[1].split("<!-- end of verdicts -->")[0]
    made_by = "dlgbench report --scale cpu --reference reports/results"
    assert tally == results.tally(ROOT / "reports" / "results" / "cpu.json"), made_by


def test_the_readme_is_a_first_screen_and_not_a_book():
    assert len(README.splitlines()) <= 150


def test_every_session_that_the_readme_names_is_in_the_noxfile():
    sessions = set(re.findall(r"nox -s ([a-z]+)", README))
    noxfile = (ROOT / "noxfile.py").read_text()
    assert sessions >= {"tests", "ablations", "ui"}
    for name in sessions:
        assert re.search(rf'^def {name}\(session|name="{name}"', noxfile, re.MULTILINE), name
