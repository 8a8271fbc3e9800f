import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, Recipe, create_model
from dlgbench.probes.measuring import measure, moments, observers, summarize
from dlgbench.probes.observers import Observer
from dlgbench.probes.subject import Measurement, Subject, to_array
from dlgbench.registry import PROBES, register_probe

MOMENTS = ("start", "end", "test")
NETWORK = nn.Linear(2, 2)
SUBJECT = Subject(NETWORK, (2,), (torch.ones(3, 2), torch.zeros(3).long()), pictures=True)


@pytest.fixture(autouse=True)
def _own_probes(monkeypatch):
    """Probes that a test registers are forgotten after it."""
    monkeypatch.setattr(PROBES, "_parts", {name: PROBES[name] for name in PROBES})


def recipe(*probes):
    return Recipe(model="mlp", probes=probes, steps=0)


def own(name, result, *, when="end", metrics=("own",)):
    """Registers a probe that returns `result`."""
    register_probe(name, when=when, metrics=dict.fromkeys(metrics, "a number"))(lambda _: result)


class Nothing(Observer):
    """Observes nothing."""

    def summary(self):
        return {"own": 1}


def test_probes_leave_network_and_random_stream_as_they_were(monkeypatch):
    monkeypatch.setattr("dlgbench.probes.noise.DRAWS", 2)
    network = create_model("mlp", norm="batch", dropout=0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    subject = Subject(network, (1, 28, 28), (torch.rand(8, 1, 28, 28), torch.arange(8)))
    random = torch.get_rng_state()
    names = ("gradients", "activations", "memory", "gradient_noise", "filters")
    for when in ("start", "end"):
        measure(recipe(*names), when, subject)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert network.training
    for p in network.parameters():
        assert (p.grad, p.dtype, p.device.type) == (None, torch.float32, "cpu")


def test_a_probe_measures_at_its_moment_a_copy_of_the_network():
    subjects = []

    @register_probe("spy", when="test", metrics={})
    def spy(subject):
        subjects.append(subject)
        return {}

    probes = recipe("spy", "weight_norms", "updates")
    assert moments(probes) == {"test", "end"}
    metrics = {when: set(measure(probes, when, SUBJECT).metrics) for when in MOMENTS}
    assert metrics == {"start": set(), "end": {"weight_norms/total"}, "test": set()}
    (subject,) = subjects
    assert subject.network is not SUBJECT.network
    assert all(map(torch.equal, subject.batch, SUBJECT.batch))
    same = {"network": SUBJECT.network, "batch": SUBJECT.batch}
    assert dataclasses.replace(subject, **same) == SUBJECT


def test_a_probe_that_writes_into_its_batch_leaves_the_training_alone():
    @register_probe("scribble", when="start", metrics={})
    def scribble(subject):
        subject.batch[0].zero_()
        subject.batch[1].fill_(1)
        return {}

    measure(recipe("scribble"), "start", SUBJECT)
    assert SUBJECT.batch[0].eq(1).all()
    assert SUBJECT.batch[1].eq(0).all()


def test_an_observer_with_a_hook_that_is_never_called_is_refused():
    hooks = {"on_after_backward": lambda *_: None}
    register_probe("deaf", when="training", metrics={"own": "a number"})(
        type("Deaf", (Nothing,), hooks)
    )
    with pytest.raises(DlgbenchError, match="got on_after_backward, which are never called"):
        observers(recipe("deaf"))


def test_what_own_probes_return_is_recorded_as_numbers_and_arrays():
    picture = to_array(torch.eye(2))
    own("mine", Measurement({"own": torch.tensor(2)}, {"by_layer": np.arange(2)}, {"eye": picture}))
    own("plain", {"other": 3}, metrics=["other"])
    measured = measure(recipe("mine", "plain"), "end", SUBJECT)
    assert measured == Measurement(
        {"own": 2.0, "other": 3.0}, {"by_layer": [0.0, 1.0]}, {"eye": picture}
    )
    assert type(measured.metrics["other"]) is float
    without_pictures = dataclasses.replace(SUBJECT, pictures=False)
    assert not measure(recipe("mine"), "end", without_pictures).arrays


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"owm": 1}, "expected metrics own, got owm"),
        ({}, "expected metrics own, got none"),
        ({"own": 1, "b": 2}, "expected metrics own, got b, own"),
        (1.0, "expected a Measurement or a dict of metrics, got float"),
        ({"own": "one"}, "expected a number for each metric"),
        ({"own": torch.ones(2)}, "expected a number for each metric"),
        (Measurement({"own": 1}, {"c": 1.0}), "expected a number for each metric and a list"),
        (
            Measurement({"own": 1}, arrays={"a": torch.ones(2)}),
            "expected a numpy array of numbers for a, got torch.float32",
        ),
        (
            Measurement({"own": 1}, arrays={"a": np.array([None])}),
            "expected a numpy array of numbers for a, got object",
        ),
    ],
)
@pytest.mark.parametrize("pictures", [True, False])
def test_a_probe_that_returns_something_else_than_it_announces_is_refused(
    result, message, pictures
):
    own("mine", result)
    subject = dataclasses.replace(SUBJECT, pictures=pictures)
    with pytest.raises(DlgbenchError, match=f"^probe mine: {message}"):
        measure(recipe("mine"), "end", subject)


def test_two_probes_of_one_name_are_refused():
    own("mine", {"own": 1})
    own("yours", {"own": 1}, when="test")
    match = "probe yours: expected a metric that no other .*, got own, which probe mine records"
    with pytest.raises(DlgbenchError, match=match):
        measure(recipe("mine", "yours"), "end", SUBJECT)
    for field in ("curves", "arrays"):
        result = Measurement(**{field: {"name": np.ones(2)}})
        own(f"first_{field}", result, metrics=())
        own(f"second_{field}", result, metrics=())
        match = f"^probe second_{field}: {field} name: expected names that one probe"
        with pytest.raises(DlgbenchError, match=match):
            measure(recipe(f"first_{field}", f"second_{field}"), "end", SUBJECT)


def test_observers_are_new_for_each_training_and_their_metrics_are_those_announced():
    register_probe("mine", when="training", metrics={"own": "one"})(Nothing)
    register_probe("wrong", when="training", metrics={"other": "one"})(Nothing)
    (first,), (second,) = observers(recipe("mine", "flops")), observers(recipe("mine"))
    assert first is not second
    assert summarize(recipe("mine", "flops"), [first]) == {"own": 1.0}
    with pytest.raises(DlgbenchError, match="probe wrong: expected metrics other, got own"):
        summarize(recipe("wrong"), observers(recipe("wrong")))


def test_a_function_does_not_observe_and_an_observer_does_not_measure():
    own("function", {"own": 1}, when="training")
    register_probe("observer", when="end", metrics={"own": "one"})(Nothing)
    with pytest.raises(DlgbenchError, match='when="training": expected a subclass of Observer'):
        observers(recipe("function"))
    with pytest.raises(DlgbenchError, match="expected a function of a Subject, got Nothing"):
        measure(recipe("observer"), "end", SUBJECT)
