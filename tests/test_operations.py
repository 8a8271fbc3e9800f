"""The file behind a plan says what the catalogue's networks take."""

import json
from pathlib import Path

import pytest

from dlgbench import operations
from dlgbench.operations import FILE, Cost, counted

ROOT = Path(__file__).parents[1]
STALE = "python -m dlgbench.operations writes the file anew"


def test_a_convolution_by_hand():
    asked = json.dumps(["conv_stack", {"dilations": [1]}, [3, 8, 8], 2])
    weights = 2 * 3 * 3 * 3 + 2
    assert counted(asked) == Cost(2 * 2 * 3 * 9 * 64, 1, 2 * 64, weights)


@pytest.mark.slow
def test_the_file_is_what_the_catalogue_takes(monkeypatch, tmp_path):
    monkeypatch.setattr(operations, "FILE", tmp_path / "operations.json")
    operations.write(ROOT / "ablations")
    assert json.loads((tmp_path / "operations.json").read_text()) == json.loads(FILE.read_text()), (
        STALE
    )
