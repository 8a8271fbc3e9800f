"""Lanes against the single engine, over every kind of MLP in the catalogue, and in any company."""

import dataclasses
import functools
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dlgbench import Cell, DlgbenchError, Recipe
from dlgbench import train as single
from dlgbench.ablation import Ablation
from dlgbench.discovery import discover
from dlgbench.grouping import can_be_lanes, key
from dlgbench.lanes import engine as lanes
from dlgbench.lanes.engine import Lane, Together
from dlgbench.layers.draws import Draws
from dlgbench.train import Trial

REPOSITORY = Path(__file__).parents[2]
STEPS = 50
RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (12, 10), "norm": "batch", "dropout": 0.3, "activation": "sigmoid"},
    data="mnist5k",
    data_args={"train": 300, "val": 100, "shrink": 4},
    optimizer="momentum",
    lr=0.1,
    schedule="cosine",
    max_norm=2.0,
    batch_size=30,
    steps=30,
    evaluations=3,
    probes=("updates", "drift", "gradients"),
    target={"val/error": 0.8},
)


@functools.cache
def kinds():
    """A cell of each kind of arm in the catalogue that lanes train: those that differ in more than
    numbers, and those with each optimizer, initialization, schedule and noise."""
    found = {"": Cell("all", "everything", 0, "cpu", RECIPE, engine="lanes")}
    for ablation in discover(REPOSITORY / "ablations"):
        assert isinstance(ablation, Ablation)
        for arm in ablation.arms_at("cpu"):
            work = ablation.arm(arm, "cpu")
            if work.steps and can_be_lanes(work) and not ablation.is_timed(arm, "cpu"):
                work = work.override(steps=STEPS, evaluations=5)
                cell = Cell(ablation.name, arm, 0, "cpu", work, engine="lanes")
                numbers = (work.init, work.schedule, bool(work.max_norm), bool(work.weight_decay))
                found.setdefault((key(cell), numbers), cell)
    return {f"{cell.ablation}-{cell.arm}": cell for cell in found.values()}


def with_seed(cell, seed):
    return dataclasses.replace(cell, seed=seed)


def results(run):
    """What must be equal: all but times and where the code lies."""
    summary = {metric: value for metric, value in run.summary.items() if metric != "seconds"}
    return repr((run.status, sorted(summary.items()), run.history))  # nan is nan


def test_the_catalogue_has_every_kind_of_layer_loss_and_rule():
    recipes = [cell.work for cell in kinds().values()]
    args = [recipe.model_args for recipe in recipes]
    assert len(recipes) > 60
    assert {recipe.optimizer for recipe in recipes} >= {
        *("sgd", "momentum", "nag", "momentum_ema", "adagrad"),
        *("rmsprop", "adadelta", "adam", "adamw", "rprop"),
    }
    assert {a.get("norm", "none") for a in args} == {"none", "batch", "noisy_batch"}
    assert {a.get("noise", "dropout") for a in args} == {"dropout", "gaussian"}
    assert {a.get("patch", "none") for a in args} == {"none", "mean", "standardize"}
    assert {a.get("skip", False) for a in args} == {False, True}
    assert any(a.get("input_dropout") for a in args)
    assert any(recipe.max_norm for recipe in recipes)  # scale gpu has it, so `RECIPE` does


def as_doubles(prepare, cell, device):
    """`prepare`, with weights and inputs in float64."""
    task, splits = prepare(cell, device)
    splits.pool = splits.pool.double()
    x = (splits.pool[splits.rows] - splits.mean) / splits.sd
    splits.train, splits.val = (x, splits.train[1]), (splits.val[0].double(), splits.val[1])
    splits.test = lambda test=splits.test: (test()[0].double(), test()[1])
    if splits.train[1].is_floating_point():
        splits.train, splits.val = ((a, b.double()) for a, b in (splits.train, splits.val))
        splits.test = lambda test=splits.test: tuple(part.double() for part in test())
    return task.double(), splits


@pytest.mark.parametrize("name", kinds())
def test_lanes_train_as_the_single_engine_does_in_float64(name, monkeypatch):
    prepare = functools.partial(as_doubles, single.prepare)
    monkeypatch.setattr(single, "prepare", prepare)
    cells = [with_seed(kinds()[name], seed) for seed in (0, 1)]
    in_float32 = {"boundary", "warp"}  # these make points of the plane of their own
    probes = tuple(probe for probe in cells[0].work.probes if probe not in in_float32)
    cells = [dataclasses.replace(cell, work=cell.work.override(probes=probes)) for cell in cells]
    for cell, run in zip(cells, lanes.train(cells), strict=True):
        alone = single.train(dataclasses.replace(cell, engine="single"))
        assert run.status == alone.status
        assert [point[:2] for point in run.history] == [point[:2] for point in alone.history]
        # processors round differently, and 50 steps at an untuned rate amplify it to 1e-9
        for (metric, step, value), (*_, wanted) in zip(run.history, alone.history, strict=True):
            assert value == pytest.approx(wanted, rel=1e-8, abs=1e-9, nan_ok=True), (metric, step)
        assert set(run.summary) == set(alone.summary)
        for metric in set(run.summary) - {"seconds"}:
            wanted = pytest.approx(alone.summary[metric], rel=1e-8, abs=1e-9, nan_ok=True)
            assert run.summary[metric] == wanted, metric


def recorded(monkeypatch):
    """A list into which every draw of noise goes, as (R, ...)."""
    drawn = []
    for name in ("kept", "uniform", "normal"):
        method = getattr(Draws, name)

        def record(self, *args, method=method):
            drawn.append(method(self, *args))
            return drawn[-1]

        monkeypatch.setattr(Draws, name, record)
    return drawn


def weights_of(network):
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach()


def by_hand(trial):
    """The minibatches, losses and weights of ten steps of the single engine's pieces."""
    task, recipe = trial.task, trial.recipe
    single._seed_noise(trial)
    rule = task.optimizer()
    inputs, losses, weights = [], [], []
    for stack in trial.data.train_dataloader():
        for x, y in stack.minibatches():
            for group in rule.param_groups:
                if recipe.schedule != "constant":
                    group["lr"] = recipe.lr * task.factor(len(losses) / recipe.steps)
            loss = task.training_step((x, y))
            rule.zero_grad()
            loss.backward()
            rule.step()
            task.after_step()
            inputs.append(x)
            losses.append(loss.item())
            weights.append(weights_of(task.network))
    return inputs, losses, weights


@pytest.mark.parametrize("name", kinds())
def test_equal_starts_rows_and_noise_and_ten_equal_steps_in_float32(name, monkeypatch):
    """At a hundredth of the rate, since an untuned rate of the catalogue may diverge."""
    device = torch.device("cpu")
    cells = [with_seed(kinds()[name], seed) for seed in (3, 4)]
    changes = {"steps": 10, "evaluations": 10, "lr": cells[0].work.lr / 100}
    cells = [dataclasses.replace(cell, work=cell.work.override(changes)) for cell in cells]
    # a bias before batch normalization has no gradient but rounding: Adam makes whole steps of it
    is_noise = "norm" in cells[0].work.model_args and cells[0].work.optimizer == "adam"
    drawn = recorded(monkeypatch)
    alone = [(by_hand(Trial(cell, device)), drawn.copy(), drawn.clear())[:2] for cell in cells]
    trials = [Trial(cell, device) for cell in cells]
    starts = [weights_of(trial.task.network) for trial in trials]
    together = Together([Lane(trial) for trial in trials])
    for lane, start in zip(together.lanes, starts, strict=True):
        assert torch.equal(weights_of(lane.network), start)
    inputs = []
    draw = together._inputs
    monkeypatch.setattr(together, "_inputs", lambda rows: inputs.append(draw(rows)) or inputs[-1])
    for step in range(10):
        losses = together.make_steps(step)
        for lane, ((x, loss, weights), _) in enumerate(alone):
            assert torch.equal(inputs[step][lane], x[step])
            assert losses[lane] == pytest.approx(loss[step], rel=1e-4 if is_noise else 1e-5)
            ours = weights_of(trials[lane].task.network)
            assert is_noise or float((ours - weights[step]).norm() / weights[step].norm()) < 1e-5
    for lane, (_, noise) in enumerate(alone):
        assert len(noise) == len(drawn)
        assert all(torch.equal(ours[lane], own[0]) for ours, own in zip(drawn, noise, strict=True))


@pytest.mark.parametrize("name", kinds())
def test_a_run_is_the_same_to_the_bit_alone_and_in_company(name):
    cell = kinds()[name]
    company = lanes.train([with_seed(cell, seed) for seed in (5, 0, 6)])
    assert results(company[1]) == results(lanes.train([cell])[0])


# with everything at once --------------------------------------------------------------------------


def lane(number):
    """A cell that differs from the others in all numbers in which lanes may differ."""
    changes = {
        "lr": 0.02 * (1 + number % 5),
        "weight_decay": 0.01 * (1 + number % 3),
        "schedule": ("cosine", "constant", "linear")[number % 3],
        "init": ("he", "orthogonal", "lsuv", "glorot")[number % 4],
        "optimizer_args": {"momentum": 0.1 * (1 + number % 7)},
        "model_args.dropout": 0.1 + 0.05 * (number % 8),
        "max_norm": 1.0 + number % 2,
        "data_args.train": 300 - 10 * (number % 4),
        "data_args.label_noise": 0.1 * (number % 3),
        "data_args.standardize": bool(number % 2),
        "target": {"val/error": 0.5 + 0.1 * (number % 4)},
        "random_stream": number % 2,
    }
    purpose = "tune" if number % 2 else "evaluate"
    return Cell("x", "a", number, "cpu", RECIPE.override(changes), purpose, engine="lanes")


@functools.cache
def alone(number):
    return lanes.train([lane(number)])[0]


@pytest.mark.parametrize("numbers", [(1, 0), (6, 5, 4, 3, 2, 1, 0), tuple(range(64))])
def test_company_and_order_change_no_bit_where_all_numbers_differ(numbers):
    assert len({key(lane(number)) for number in numbers}) == 1
    for number, run in zip(numbers, lanes.train(list(map(lane, numbers))), strict=True):
        assert results(run) == results(alone(number))
        assert run.arrays.keys() == alone(number).arrays.keys()


def test_an_odd_number_of_rows_and_units_too():
    odd = [
        dataclasses.replace(
            lane(n), work=lane(n).work.override(batch_size=33, model_args={"hidden": (5, 7)})
        )
        for n in range(5)
    ]
    for cell, run in zip(odd, lanes.train(odd), strict=True):
        assert results(run) == results(lanes.train([cell])[0])


@pytest.mark.parametrize(("hidden", "rows"), [((1,), 16), ((1,), 64), ((1, 1), 32), ((4,), 1)])
def test_a_layer_of_one_unit_and_a_batch_of_one_row_too(hidden, rows):
    """For a single product with a vector torch takes another kernel than for several."""
    changes = {"batch_size": rows, "model_args": {"hidden": hidden, "activation": "tanh"}}
    thin = [dataclasses.replace(lane(n), work=lane(n).work.override(changes)) for n in range(3)]
    for cell, run in zip(thin, lanes.train(thin), strict=True):
        assert results(run) == results(lanes.train([cell])[0])


def test_cells_that_do_not_go_together_are_refused():
    other = dataclasses.replace(lane(1), work=lane(1).work.override(steps=3))
    with pytest.raises(DlgbenchError, match=r"expected cells with one grouping.key, got 2"):
        lanes.train([lane(0), other])


def test_each_lane_has_its_own_augmentation():
    changes = {"data_args.augment": "crop_flip", "probes": ("updates",), "schedule": "constant"}
    cells = [
        dataclasses.replace(
            lane(n), work=lane(n).work.override(changes | {"model_args.norm": "none"})
        )
        for n in range(3)
    ]
    for cell, run in zip(cells, lanes.train(cells), strict=True):
        assert results(run) == results(lanes.train([cell])[0])
        alone = single.train(cell)
        for (*_, value), (*_, wanted) in zip(run.history, alone.history, strict=True):
            assert value == pytest.approx(wanted, rel=1e-3, abs=1e-3)
        assert run.provenance["engine"].startswith("lanes ")
        assert alone.provenance["engine"].startswith("single ")


def test_each_number_reaches_its_lane():
    """A lane with a number changed trains otherwise; its neighbour does not."""
    base = dataclasses.replace(lane(3), purpose="evaluate")
    loss = [point for point in lanes.train([base])[0].history if point[0] == "train/loss"]
    for change in (
        {"lr": 0.3},
        {"weight_decay": 0.5},
        {"schedule": "linear"},
        {"init": "zero"},
        {"optimizer_args": {"momentum": 0.9}},
        {"model_args.dropout": 0.6},
        {"max_norm": 0.3},
        {"data_args.train": 200},
        {"data_args.label_noise": 0.9},
        {"data_args.standardize": False},
        {"random_stream": 7},
    ):
        other = dataclasses.replace(base, work=base.work.override(change))
        neighbour, changed = lanes.train([base, other])
        assert [p for p in neighbour.history if p[0] == "train/loss"] == loss
        assert [p for p in changed.history if p[0] == "train/loss"] != loss, change


def test_a_lane_that_diverges_is_reported_and_leaves_the_others_as_they_are():
    wild = dataclasses.replace(lane(2), work=lane(2).work.override(lr=1e30, max_norm=1e30))
    runs = lanes.train([lane(1), wild, lane(4)])
    assert [run.status for run in runs] == ["finished", "diverged", "finished"]
    assert results(runs[0]) == results(alone(1))
    assert results(runs[2]) == results(alone(4))
    assert results(runs[1]) == results(lanes.train([wild])[0])
    single_run = single.train(dataclasses.replace(wild, engine="single"))
    assert set(single_run.summary) == set(runs[1].summary)
    assert all(map(math.isfinite, runs[1].summary.values()))


def test_the_lanes_share_the_time_that_they_took_together(monkeypatch):
    """By a clock that goes on with the steps alone, by a second at each stack of them."""
    clock, make_steps = [5.0], Together.make_steps

    def tick(self, k):
        clock[0] += 1.0
        return make_steps(self, k)

    monkeypatch.setattr(Together, "make_steps", tick)
    monkeypatch.setattr(lanes, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert lanes.train([lane(1)])[0].summary["seconds"] == 3.0  # as many stacks as evaluations
    wild = dataclasses.replace(lane(2), work=lane(2).work.override(lr=1e30, max_norm=1e30))
    runs = lanes.train([lane(1), wild, lane(4), lane(5)])
    assert [run.status for run in runs].count("diverged") == 1
    assert [run.summary["seconds"] for run in runs] == [0.75] * 4


def test_the_identity_in_place_of_dropout_is_no_dropout_to_the_bit_in_another_group():
    plain = {"norm": "none", "dropout": 0.0}
    without = [
        dataclasses.replace(
            lane(n),
            work=lane(n).work.override({f"model_args.{k}": v for k, v in plain.items()}, probes=()),
        )
        for n in range(4)
    ]
    removed = [
        dataclasses.replace(
            cell, work=cell.work.override({"model_args.dropout": 0.5, "identity": ("Dropout",)})
        )
        for cell in without
    ]
    assert key(without[0]) != key(removed[0])
    for mine, other in zip(lanes.train(without), lanes.train(removed[:3]), strict=False):
        assert results(mine) == results(other)


def test_siblings_of_all_lanes_are_those_of_each_alone():
    work = RECIPE.override(probes=("minima",), target={})
    cells = [Cell("x", "a", seed, "cpu", work, engine="lanes") for seed in range(3)]
    for cell, run in zip(cells, lanes.train(cells), strict=True):
        assert results(run) == results(lanes.train([cell])[0])
        assert run.summary["minima/disagreement"] > 0
