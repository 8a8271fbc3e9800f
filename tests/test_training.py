"""A user's own training function: what it is given, what it may return, and a claim on it."""

import functools
import importlib.util
import random
import re
import signal

import numpy as np
import pytest
import torch

from dlgbench import Ablation, Cell, Claim, DlgbenchError, Training, at_least, difference
from dlgbench.fingerprint import sources
from dlgbench.runner import Runner

CONFIG = {"lr": 0.1, "net": {"width": 8}, "returned": {}}
METRICS = {"val/error": "on validation", "test/error": "on test"}
CALLS = []


def echo(config, seed, log):
    """Returns what its config says."""
    CALLS.append((config, seed))
    for point in config.get("points", ()):
        log(*point)
    return config["returned"]


def told_echo(config, seed, log, tuning):
    assert isinstance(tuning, bool)
    return echo(config, seed, log)


def run(returned, metrics=METRICS, purpose="evaluate", function=echo, **config):
    work = Training(function, {"returned": returned, **config}, metrics)
    return work.run(Cell("mine", "arm", 3, "cpu", work, purpose))


BOTH = {"val/error": 0.2, "test/error": 0.3}


def scalars(_config, _seed, _log):
    return {"val/error": np.float32(0.25), "test/error": torch.tensor(0.5)}


def test_a_run_holds_what_the_function_returned():
    done = run({}, function=scalars)
    assert (done.status, done.summary) == ("finished", {"val/error": 0.25, "test/error": 0.5})
    assert all(type(value) is float for value in done.summary.values())
    assert (done.history, dict(done.arrays)) == ((), {})
    assert {"started", "wall", "engine", "code", "device", "version.torch"} <= set(done.provenance)


@pytest.mark.parametrize(
    ("message", "returned"),
    {
        "got test/error announced and not returned": {"val/error": 0.2},
        "got auc returned and not announced": BOTH | {"auc": 1},
        "announces, test/error, val/error; got test/error announced and not returned; "
        "test/eror returned and not announced": {"val/error": 0.2, "test/eror": 1},
        "train: val/error: expected a number, got 'low'": BOTH | {"val/error": "low"},
        "expected it to return a dict with val/error, test/error, got 0.3": 0.3,
        "expected it to return a dict with val/error, test/error, got None": None,
    }.items(),
)
def test_what_was_not_announced_is_one_message(message, returned):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        run(returned)


def test_a_tuning_neither_needs_nor_keeps_the_test_split():
    half = {"val/error": 0.2}
    assert run(half, purpose="tune", function=told_echo).summary == half
    assert run(BOTH, purpose="tune").summary == half
    assert run(BOTH).summary == BOTH
    for mistake, purpose, function in (
        ("val/error announced and not returned", "tune", told_echo),
        ("val/error announced and not returned", "evaluate", echo),
        # before a grid is paid for: a function that is not told returns the same in an evaluation
        ("test/nll returned and not announced", "tune", echo),
    ):
        returned = BOTH | {"test/nll": 1.0} if "nll" in mistake else {"test/error": 0.1}
        with pytest.raises(DlgbenchError, match=f"got {mistake}"):
            run(returned, purpose=purpose, function=function)
    with pytest.raises(DlgbenchError, match="got test/error announced and not returned"):
        run(half, purpose="tune")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_a_divergence_and_no_number(bad):
    done = run(BOTH | {"val/error": bad})
    assert (done.status, done.summary) == ("diverged", {"test/error": 0.3})
    done = run(BOTH, points=[("train/loss", 1.0, 0), ("train/loss", bad, 1)])
    assert (done.status, done.summary) == ("finished", BOTH)  # what is returned decides
    assert done.history == (("train/loss", 0, 1.0),)


@pytest.mark.parametrize("name", ["val/acc@5", "", "/val", "val//error", "a/../b", "x" * 251])
def test_a_name_that_the_store_would_refuse_is_refused_at_once(name):
    expected = "expected a name of letters"
    with pytest.raises(DlgbenchError, match=f"log: {expected}"):
        run(BOTH, points=[(name, 1.0, 0)])
    with pytest.raises(DlgbenchError, match=f"metrics: {expected}"):
        Training(scalars, {}, {name: "a metric"})
    with pytest.raises(DlgbenchError, match=f"config: {expected}"):
        Training(scalars, {name: 1}, {"val/error": "a metric"})


def test_a_lambda_is_refused():
    with pytest.raises(DlgbenchError, match="expected a function with def, got a lambda"):
        Training(lambda *_: BOTH, {}, dict.fromkeys(BOTH, "share"))


def told_keyword(_config, _seed, _log, *, tuning):
    return {"tuned": tuning}


def told_last(_config, _seed, _log, tuning=None):
    return {"tuned": tuning}


def not_told(_config, _seed, _log, **other):
    assert not other
    return {"tuned": 0}


def test_only_a_function_that_asks_is_told_whether_it_tunes():
    metrics = {"tuned": "whether"}
    for function in (told_keyword, told_last):
        told = [run({}, metrics, purpose, function).summary for purpose in ("tune", "evaluate")]
        assert told == [{"tuned": 1.0}, {"tuned": 0.0}]
    run({}, metrics, "tune", not_told)


def draw(_config, seed, _log):
    draws = {"python": random.random(), "numpy": np.random.rand(), "torch": torch.rand(()).item()}
    return draws | {"seed": seed, "threads": torch.get_num_threads()}


def test_all_global_generators_are_seeded():
    metrics = dict.fromkeys(("python", "numpy", "torch", "seed", "threads"), "a draw")
    work = Training(draw, {}, metrics)
    first, again, other = (
        work.run(Cell("a", "b", seed, "cpu", work)).summary for seed in (3, 3, 4)
    )
    assert first == again
    assert not {*first.items()} & {*other.items()} - {("threads", 1.0)}
    torch.manual_seed(3)
    assert first["torch"] == torch.rand(()).item()


POINTS = []


def log_points(config, _seed, log):
    for point in POINTS:
        log(*point)
    return config["returned"]


def test_log_adds_points_to_curves_from_step_0():
    POINTS[:] = [("train/loss", 2.0, 0), ("val/error", np.float32(0.5), np.int64(0))]
    POINTS[:] += [("train/loss", torch.tensor(1.0), 10.0), ("val/error", 0.25, 10)]
    expected = (("train/loss", 0, 2.0), ("val/error", 0, 0.5))
    expected += (("train/loss", 10, 1.0), ("val/error", 10, 0.25))
    assert run(BOTH, function=log_points).history == expected


@pytest.mark.parametrize("step", [-1, 1.5, True, float("nan"), "1", None])
def test_a_step_is_a_whole_number(step):
    POINTS[:] = [("train/loss", 1.0, step)]
    message = (
        f"log('train/loss'): expected a step that is a whole number of at least 0, got {step!r}"
    )
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        run(BOTH, function=log_points)


def test_a_value_is_a_number():
    with pytest.raises(DlgbenchError, match=r"log\('train/loss'\): expected a number, got 'low'"):
        run(BOTH, points=[("train/loss", "low", 1)])


def spoil(config, _seed, _log):
    config["net"]["width"] = config["lr"] = 99
    return BOTH


def test_each_call_gets_a_config_of_its_own():
    work = Training(spoil, CONFIG, METRICS)
    for _ in range(2):
        work.run(Cell("a", "b", 0, "cpu", work))
    assert dict(work.config) == CONFIG
    CALLS.clear()
    run(BOTH, net={"width": [1, 2]})
    assert CALLS == [({"returned": BOTH, "net": {"width": [1, 2]}}, 3)]


def test_override_changes_a_copy_and_refuses_a_name_that_the_config_lacks():
    work = Training(echo, CONFIG, METRICS)
    changed = work.override({"net.width": 4}, lr=0.2)
    assert (changed.config["net"], changed.config["lr"]) == ({"width": 4}, 0.2)
    assert dict(work.config) == CONFIG
    assert changed.override({"net.width": 8, "lr": 0.1}) == work
    assert len({work, changed, changed.override({"net.width": 8, "lr": 0.1})}) == 2
    assert changed.to_json() != work.to_json()
    with pytest.raises(
        DlgbenchError, match="no entry of config is called 'lrr'; did you mean 'lr'"
    ):
        work.override(lrr=1)


def two(_config, _seed):
    return {}


@functools.wraps(echo)
def wrapped(*args):
    return echo(*args)


def enclosed(width):
    def train(_config, _seed, _log):
        return {"val/error": width}

    return train


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (two, "expected a function of (config, seed, log), got two: too many positional"),
        (functools.partial(echo), "expected a function of (config, seed, log), got functools"),
        (echo(CONFIG, 0, print), "expected a function of (config, seed, log), got {}"),
        (enclosed(3), "expected a function that its file and config determine, got width from"),
    ],
)
def test_what_can_not_be_called_so_is_refused_when_declared(function, message):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        Training(function, CONFIG, METRICS)


def test_a_wrapped_function_is_taken_for_what_it_wraps():
    assert str(Training(wrapped, CONFIG, METRICS).source) == __file__
    assert run(BOTH, function=wrapped).summary == BOTH


# an ablation --------------------------------------------------------------------------------------


def mixup(config, _seed, log, tuning):
    """An arm's accuracy: higher with mixup; each arm is best at the middle of the grid."""
    accuracy = 0.8 + 0.1 * config["mixup"] - abs(config["lr"] - 0.1)
    accuracy += 0.001 * (1 + config["mixup"]) * random.random()
    for step in range(3):
        log("val/accuracy", accuracy * step / 2, step)
    return {"val/accuracy": accuracy} | ({} if tuning else {"test/accuracy": accuracy - 0.01})


MIXUP = Ablation(
    question="Does mixup help?",
    train=mixup,
    config={"mixup": 0.0, "lr": 0.0},
    metrics={"val/accuracy": "on validation", "test/accuracy": "on test"},
    arms={"none": {}, "mixup": {"mixup": 1.0}},
    claims=[
        Claim("Mixup helps", difference("test/accuracy", "mixup", "none"), at_least(0.05)),
        Claim("It hurts", difference("test/accuracy", "none", "mixup"), at_least(0.05)),
    ],
    tune={"lr": (0.01, 0.1, 0.3)},
    select="val/accuracy",
    scales={"cpu": {"seeds": 5, "tuning_seeds": 1}},
    name="mine/mixup",
)


def test_a_question_about_own_code_is_tuned_judged_and_stored(store):
    runner = Runner(store)
    verdicts = runner.judge(MIXUP, "cpu")
    assert [verdict.verdict for verdict in verdicts.values()] == ["supported", "refuted"]
    assert runner.trained == 2 * 3 + 2 * 5
    runs = store.runs(MIXUP, "cpu", history=True)
    assert len(runs) == 16
    evaluated = {cell: run for cell, run in runs.items() if cell.purpose == "evaluate"}
    assert {cell.work.config["lr"] for cell in evaluated} == {0.1}  # the largest accuracy
    assert all(len(run.history) == 3 for run in evaluated.values())
    assert {step for run in evaluated.values() for _, step, _ in run.history} == {0, 1, 2}
    again = Runner(store)
    assert again.judge(MIXUP, "cpu") == verdicts
    assert again.trained == 0


def lightning(_config, _seed, _log):
    try:
        raise KeyboardInterrupt  # noqa: TRY301  (as Ctrl-C does)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as Lightning does
        raise SystemExit(1)  # noqa: B904  (as Lightning does)


def leaving(_config, _seed, _log):
    raise SystemExit(3)


def test_ctrl_c_in_lightning_stays_a_keyboard_interrupt():
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run({}, function=lightning)
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(SystemExit):
        run({}, function=leaving)


def test_a_file_that_is_edited_later_is_what_the_process_imported(tmp_path):
    """A cell that is trained after the edit has the fingerprint of the code that trains it."""
    code = "def train(config, seed, log):\n    return {'test/error': NUMBER}\n"
    file = tmp_path / "own_code_that_is_edited.py"
    file.write_text(code.replace("NUMBER", "0.1"))
    work = Training(imported(file).train, {"a": 1}, {"test/error": ""})
    begun = sources([(work, "single")])
    file.write_text(code.replace("NUMBER", "0.2"))
    assert sources([(work, "single")]) == begun
    other = tmp_path / "own_code_that_was_edited.py"
    other.write_text(code.replace("NUMBER", "0.2"))
    work = Training(imported(other).train, {"a": 1}, {"test/error": ""})
    assert sources([(work, "single")]) != begun


def imported(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
