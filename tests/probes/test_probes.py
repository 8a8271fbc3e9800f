import dataclasses

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import legvander

from dlgbench import Cell, Recipe, create_model
from dlgbench.data.arrays import Arrays
from dlgbench.metrics import PROBES
from dlgbench.probes import MEASURES, MOMENTS, OBSERVERS, Probe, moments, noise, probe
from dlgbench.probes.subject import Subject
from dlgbench.train import prepare, train

RECIPE = Recipe(  # batch normalization, dropout, convolutions and linear layers
    model="vgg11_bn",
    model_args={"width": 1 / 32},
    data="fake",
    data_args={"train": 60, "val": 20},
    lr=0.01,
    batch_size=16,
    steps=4,
    evaluations=2,
)
SHORT = {
    "data": "fake",
    "data_args": RECIPE.data_args,
    "lr": 0.01,
    "batch_size": 16,
    "steps": 4,
    "evaluations": 2,
}
IMAGES = Recipe(model="conv_stack", model_args={"num_classes": 1}, task="image_to_image", **SHORT)
POINTS = Recipe(
    model="mlp", model_args={"hidden": (4, 2), "norm": "batch", "num_classes": 2}, **SHORT
)
PIXELS = Recipe(model="conv_stack", model_args={"num_classes": 3}, task="segmentation", **SHORT)
CURVE = Recipe(
    model="linear",
    model_args={"num_classes": 1},
    task="regression",
    **SHORT | {"data_args": {"train": 60, "val": 20, "standardize": False}},
)
LIT = RECIPE.override({"data_args.standardize": False})
# of what doesn't look at a classifier of images
RECIPES = {
    "lighting": LIT,
    "fit": CURVE,
    "checkerboard": IMAGES,
    "boundary": POINTS,
    "warp": POINTS,
    "predictions": PIXELS,
}


@pytest.fixture
def fake(monkeypatch):
    """Images of 12x12 to classify, whole or pixel by pixel, or to reproduce, points of a plane to classify, or of a curve."""
    random = np.random.default_rng(0)

    def serve(recipe):
        x = (
            random.normal(size=(100, 2)).astype(np.float32)
            if recipe is POINTS
            else random.integers(0, 256, (100, 1, 12, 12), dtype=np.uint8)
        )
        y = (
            x
            if recipe is IMAGES
            else random.integers(
                0, 2 if recipe is POINTS else 3, (100, 12, 12) if recipe is PIXELS else 100
            )
        )
        if recipe is CURVE:
            x, y = (
                legvander(random.uniform(-1, 1, 100), degree).astype(np.float32)[:, start:]
                for degree, start in ((4, 0), (1, 1))
            )
        arrays = Arrays((x[:80], y[:80]), (x[80:], y[80:]), 3, "digest")
        monkeypatch.setattr("dlgbench.data.module.load", lambda _name: arrays)
        return recipe

    monkeypatch.setattr(noise, "DRAWS", 2)
    return serve


def test_every_announced_probe_exists():
    assert not set(MEASURES) & set(OBSERVERS)
    assert set(MEASURES) | set(OBSERVERS) == set(PROBES)
    assert all(words for figures in PROBES.values() for words in figures.values())
    names = [name for figures in PROBES.values() for name in figures]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", PROBES)
def test_a_watched_training_ends_with_the_same_weights_to_the_bit(name, fake, monkeypatch):
    recipe = fake(RECIPES.get(name, RECIPE))
    modules = []
    monkeypatch.setattr(
        "dlgbench.train.prepare", lambda *args: modules.append(prepare(*args)) or modules[-1]
    )
    plain, watched = (
        train(Cell("a", "a", 0, "cpu", recipe.override(probes=probes))) for probes in ((), (name,))
    )
    before, after = (module.network.state_dict() for module, _ in modules[:2])
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert set(watched.summary) == set(plain.summary) | set(PROBES[name])
    assert {
        key: value
        for key, value in watched.summary.items()
        if key in plain.summary and key != "seconds"
    } == {key: value for key, value in plain.summary.items() if key != "seconds"}
    assert set(plain.history) <= set(watched.history)


def test_a_probe_leaves_network_and_random_stream_as_they_were():
    network = create_model("mlp", norm="batch", dropout=0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    subject = Subject(network, (1, 28, 28), (torch.rand(8, 1, 28, 28), torch.arange(8)))
    random = torch.get_rng_state()
    for when in ("start", "end"):
        probe(
            Recipe(
                model="mlp",
                probes=("gradients", "activations", "memory", "gradient_noise", "filters"),
                steps=0,
            ),
            when,
            subject,
        )
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert network.training
    assert all(
        p.grad is None and p.dtype == torch.float32 and p.device.type == "cpu"
        for p in network.parameters()
    )


def test_a_probe_is_due_at_its_moment_and_of_the_networks_copy(monkeypatch):
    seen = []

    def spy(subject):
        seen.append(subject)
        return {}, {}

    monkeypatch.setitem(PROBES, "spy", {})
    monkeypatch.setitem(MEASURES, "spy", Probe(spy, "test"))
    recipe = Recipe(model="mlp", probes=("spy", "flops", "updates"), steps=0)
    subject = Subject(create_model("mlp"), (1, 28, 28))
    assert moments(recipe) == {"test", "start"}
    given = {when: set(probe(recipe, when, subject)[0]) for when in MOMENTS}
    assert given == {"start": {"flops"}, "end": set(), "test": set()}
    assert len(seen) == 1
    assert seen[0].network is not subject.network
    assert dataclasses.replace(seen[0], network=subject.network) == subject
