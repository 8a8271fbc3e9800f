import copy

import pytest
import torch
from torch.nn import functional as F

from dlgbench import Cell, Recipe
from dlgbench.registry import PROBES
from dlgbench.train import prepare, train

RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (12,)},
    data="digits",
    data_args={"train": 200, "val": 50},
    lr=0.1,
    schedule="linear",
    batch_size=20,
    steps=7,
    evaluations=3,
    probes=("updates",),
)


def cell(recipe=RECIPE):
    return Cell("a", "a", 0, "cpu", recipe, "tune")


def test_updates_are_those_of_a_bare_loop():
    task, splits = prepare(cell(), torch.device("cpu"))
    network, (x, y), step, expected = copy.deepcopy(task.network), splits.train, 0, {}

    def vector():
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    start, length = vector(), 0.0
    for stack in splits.train_dataloader():  # 3, 3, 1 steps
        before = vector()
        for rows in stack.rows:
            lr = 0.1 * (1 - step / 7)
            weights = list(network.parameters())
            gradients = torch.autograd.grad(F.cross_entropy(network(x[rows]), y[rows]), weights)
            with torch.no_grad():
                for p, gradient in zip(weights, gradients, strict=True):
                    p.sub_(lr * gradient)
            step += 1
        moved, size = (vector() - before).norm(), vector().norm().item()
        length += moved
        change = (moved / len(stack.rows)).item()
        expected[step] = {
            "updates/lr": lr,
            "updates/norm": change,
            "updates/relative": change / size,
            "updates/weights": size,
        }
    assert list(expected) == [3, 6, 7]
    run = train(cell())
    for step, values in expected.items():
        recorded = {name: value for name, at, value in run.history if name in values and at == step}
        assert recorded == pytest.approx(values, rel=1e-5)
    detour = (length / (vector() - start).norm()).item()
    assert detour > 1
    summary = {name: run.summary[name] for name in PROBES["updates"].metrics}
    assert summary == pytest.approx(expected[7] | {"updates/detour": detour}, rel=1e-5)


def test_a_diverged_run_has_the_updates_until_then_and_no_metric_of_its_end():
    run = train(cell(RECIPE.override(lr=1e30)))
    assert run.status == "diverged"
    assert not set(run.summary) & set(PROBES["updates"].metrics)
