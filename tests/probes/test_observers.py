import copy

import pytest
import torch
from torch.nn import functional as F

from dlgbench import Cell, Recipe
from dlgbench.metrics import PROBES
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
    module, splits = prepare(cell(), torch.device("cpu"))
    network, (x, y), step, wanted = copy.deepcopy(module.network), splits.train, 0, []

    def vector():
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    start, length = vector(), 0.0
    for stack in splits.train_dataloader():  # 3, 3, 1 steps
        before = vector()
        for rows in stack.rows:
            lr = 0.1 * (1 - step / 7)
            parts = torch.autograd.grad(
                F.cross_entropy(network(x[rows]), y[rows]), list(network.parameters())
            )
            with torch.no_grad():
                for p, part in zip(network.parameters(), parts, strict=True):
                    p.sub_(lr * part)
            step += 1
        length += (vector() - before).norm()
        change, size = ((vector() - before).norm() / len(stack.rows)).item(), vector().norm().item()
        wanted.append(
            (
                step,
                {
                    "updates/lr": lr,
                    "updates/norm": change,
                    "updates/relative": change / size,
                    "updates/weights": size,
                },
            )
        )
    run = train(cell())
    assert [step for step, _ in wanted] == [3, 6, 7]
    for step, values in wanted:
        assert {
            name: value for name, at, value in run.history if name in values and at == step
        } == pytest.approx(values, rel=1e-5)
    detour = (length / (vector() - start).norm()).item()
    assert {name: run.summary[name] for name in PROBES["updates"]} == pytest.approx(
        wanted[-1][1] | {"updates/detour": detour}, rel=1e-5
    )
    assert detour > 1


def test_a_diverged_run_has_the_updates_until_then_and_no_figure_of_its_end():
    run = train(cell(RECIPE.override(lr=1e30)))
    assert run.status == "diverged"
    assert not set(run.summary) & set(PROBES["updates"])
