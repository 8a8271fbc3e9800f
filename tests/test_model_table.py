"""The file behind `dlgbench models` says what the models are."""

import json

import pytest
from torch import nn

from dlgbench import register_model
from dlgbench.model_table import FILE, measured, rows, write
from dlgbench.registry import MODELS

TABLE = {row["name"]: row for row in json.loads(FILE.read_text())}
OWN = [name for name, model in MODELS.items() if FILE.parent in model.file.parents]


def test_it_has_every_model_by_year_and_family():
    assert list(TABLE) == sorted(OWN, key=lambda name: (*year_and_family(name), name))
    assert [row["name"] for row in rows() if row["name"] in OWN] == list(TABLE)
    for row in TABLE.values():
        assert row["proof"].startswith("tests/")
        assert row["flops"] > 0 or row["task"] == "minimization" or row["name"] == "constant"


def year_and_family(name):
    return MODELS[name].year, MODELS[name].family


@pytest.mark.parametrize("name", OWN)
def test_each_row_is_what_the_model_is(name):
    stale = "python -m dlgbench.model_table writes the file anew"
    assert measured(MODELS[name]) == TABLE[name], stale


def test_resnet_50_is_its_papers():
    row = TABLE["resnet50"]
    assert (row["parameters"], row["input_shape"]) == (25_557_032, [3, 224, 224])
    assert row["flops"] == pytest.approx(2 * 4.09e9, rel=0.01)  # torchvision: 4.09 G multiply-adds
    assert row["receptive_field"] == 427


def net(input_shape=(1, 8, 8), num_classes=10):
    return nn.Sequential(nn.Conv2d(input_shape[0], num_classes, 3), nn.AdaptiveAvgPool2d(1))


@pytest.fixture
def _mine(monkeypatch):
    monkeypatch.setattr(MODELS, "_parts", dict(MODELS))
    register_model("net", family="Mine", year=2031)(net)


@pytest.mark.usefixtures("_mine")
def test_a_users_model_is_measured_when_it_is_listed():
    row = rows()[-1]
    assert (row["name"], row["parameters"], row["flops"]) == ("net", 100, 2 * 9 * 10 * 36)


@pytest.mark.usefixtures("_mine")
def test_the_file_is_written_of_the_suites_own(monkeypatch):
    written = []
    monkeypatch.setattr("dlgbench.model_table.measured", lambda model: TABLE[model.name])
    monkeypatch.setattr("pathlib.Path.write_text", lambda file, text: written.append((file, text)))
    write()
    assert written == [(FILE, FILE.read_text())]
