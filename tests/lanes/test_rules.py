"""Update rules of lanes, each with constants of its own, against torch.optim and the equations."""

import functools

import pytest
import torch

from dlgbench import DlgbenchError, Recipe, grouping
from dlgbench.equations import optimizers as equations
from dlgbench.lanes import rules
from dlgbench.lanes.rules import Rule
from dlgbench.registry import OPTIMIZERS
from dlgbench.tasks import optimization

LANES, SIZE, STEPS = 3, 7, 12
# for each lane: lr, weight decay, optimizer_args
CONSTANTS = {
    "sgd": [(0.1, 0.0, {}), (0.01, 0.1, {"momentum": 0.5}), (0.3, 0.01, {})],
    "momentum": [(0.1, 0.0, {}), (0.01, 0.1, {"momentum": 0.5}), (0.05, 0.01, {"momentum": 0.0})],
    "nag": [(0.1, 0.0, {}), (0.01, 0.1, {"momentum": 0.5}), (0.05, 0.01, {"momentum": 0.99})],
    "momentum_ema": [(0.1, 0.0, {}), (0.5, 0.1, {"momentum": 0.5}), (1.0, 0.01, {"momentum": 0})],
    "adagrad": [(0.1, 0.0, {}), (0.01, 0.1, {"eps": 1e-3}), (0.5, 0.01, {})],
    "rmsprop": [(0.1, 0.0, {}), (0.01, 0.1, {"alpha": 0.5}), (0.05, 0.01, {"momentum": 0.9})],
    "adadelta": [(1.0, 0.0, {}), (0.5, 0.1, {"rho": 0.5}), (2.0, 0.01, {"eps": 0.1})],
    "adam": [(0.1, 0.0, {}), (0.01, 0.1, {"betas": (0.5, 0.9)}), (0.05, 0.01, {"eps": 0.1})],
    "adamw": [(0.1, 0.0, {}), (0.01, 0.1, {"betas": (0.5, 0.9)}), (0.05, 0.01, {"eps": 0.1})],
    "rprop": [
        (0.1, 0.0, {}),
        (0.01, 0.0, {"etas": (0.3, 1.5)}),
        (0.5, 0.0, {"step_sizes": (0.02, 0.6)}),
    ],
}


@pytest.fixture(autouse=True, params=[rules.WIDE, 0], ids=["narrow", "wide"])
def width(request, monkeypatch):
    """The lanes of these tests are narrow; once more as if they were wide."""
    monkeypatch.setattr(rules, "WIDE", request.param)


def start():
    return torch.randn(LANES, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def gradient(w):
    """Of a bumpy bowl, whose sign changes on the way."""
    return w * torch.linspace(0.1, 5, SIZE, dtype=w.dtype) + torch.sin(3 * w)


def optimizers(name, parameters):
    recipes = [
        Recipe(
            model="mlp",
            data="mnist5k",
            optimizer=name,
            lr=lr,
            weight_decay=decay,
            optimizer_args=args,
        )
        for lr, decay, args in CONSTANTS[name]
    ]
    return [optimization.optimizer(r, [p]) for r, p in zip(recipes, parameters, strict=True)]


def path(name, keep=None, after=STEPS):
    """The weights of all lanes after each step, by the rule; after some only `keep` go on."""
    w = start()
    rule = Rule(optimizers(name, [torch.nn.Parameter(row.clone()) for row in w]), w)
    lr = torch.tensor([[constants[0]] for constants in CONSTANTS[name]], dtype=w.dtype)
    weights = []
    for step in range(STEPS):
        if keep is not None and step == after:
            rule.keep(keep)
            w, lr = w[keep], lr[keep]
        rule.step(w, gradient(w), lr * (1 - step / STEPS) if name != "rprop" else lr)
        weights.append(w.clone())
    return weights


@pytest.mark.parametrize("name", CONSTANTS)
def test_each_lane_steps_as_torch_does_with_its_own_constants_and_schedule(name):
    parameters = [torch.nn.Parameter(row.clone()) for row in start()]
    torchs = optimizers(name, parameters)
    for step, w in enumerate(path(name)):
        for rule, parameter, (lr, *_) in zip(torchs, parameters, CONSTANTS[name], strict=True):
            if name != "rprop":
                rule.param_groups[0]["lr"] = lr * (1 - step / STEPS)
            parameter.grad = gradient(parameter.detach())
            rule.step()
        assert torch.allclose(w, torch.stack([p.detach() for p in parameters]), rtol=1e-11, atol=0)


def test_all_ten_optimizers_of_the_suite_are_covered():
    ours = {name for name in OPTIMIZERS if "dlgbench/tasks" in str(OPTIMIZERS[name].file)}
    assert set(CONSTANTS) == ours


EQUATIONS = {
    "sgd": equations.sgd,
    "momentum": equations.heavy_ball,
    "nag": equations.nag,
    "momentum_ema": equations.momentum_ema,
    "adagrad": equations.adagrad,
    "rmsprop": equations.rmsprop,
    "adadelta": equations.adadelta,
    "adam": equations.adam,
    "adamw": functools.partial(equations.adamw, decay=0.0),
    "rprop": equations.rprop,
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_the_first_lane_steps_as_the_lecture_s_equation(name):
    lr, decay, args = CONSTANTS[name][0]
    assert (decay, args) == (0, {})  # torch's own constants
    w, memory = start()[0], ()
    for step, weights in enumerate(path(name)):
        rate = lr if name == "rprop" else lr * (1 - step / STEPS)
        w, state = EQUATIONS[name](w, gradient(w), *memory, lr=rate)
        memory = (state,)
        assert torch.allclose(weights[0], w, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", CONSTANTS)
def test_lanes_that_go_on_alone_keep_their_memory(name):
    whole, left = path(name), path(name, keep=[2, 0], after=5)
    assert torch.equal(left[-1], whole[-1][[2, 0]])


@pytest.mark.parametrize("name", CONSTANTS)
def test_every_constant_that_lanes_admit_and_torch_takes_changes_the_step(name):
    other = {"momentum": 0.7, "nesterov": None, "alpha": 0.3, "rho": 0.3, "betas": (0.3, 0.3)}
    other |= {"eps": 0.7, "etas": (0.2, 3.0), "step_sizes": (0.3, 0.4)}
    assert set(other) == set(grouping.CONSTANTS)
    base = Recipe(model="mlp", data="mnist5k", optimizer=name, lr=0.1)
    takes = optimization.optimizer(base, [torch.nn.Parameter(start()[0])]).param_groups[0]

    def end(args):
        w = start()[:1]
        recipe = base.override(optimizer_args=args)
        rule = Rule([optimization.optimizer(recipe, [torch.nn.Parameter(w[0].clone())])], w)
        for _ in range(STEPS):
            rule.step(w, gradient(w), torch.tensor([[0.1]], dtype=w.dtype))
        return w

    other["nesterov"] = not takes.get("nesterov")
    for constant in set(other) & set(takes):
        beside = {"momentum": 0.5} if constant == "nesterov" else {}
        changed = end(beside | {constant: other[constant]})
        assert not torch.equal(changed, end(beside)), constant


@pytest.mark.parametrize("name", ["rmsprop", "adadelta", "adam", "adamw", "adagrad"])
def test_a_square_that_overflows_stops_its_weight_as_in_torch_and_is_no_nan(name):
    w = torch.ones(1, 2)
    parameter = torch.nn.Parameter(w[0].clone())
    theirs = optimization.optimizer(
        Recipe(model="mlp", data="mnist5k", optimizer=name, lr=0.1), [parameter]
    )
    rule = Rule([theirs], w)
    for large in (1e20, 1.0, 1.0):
        parameter.grad = torch.tensor([1.0, large])
        theirs.step()
        rule.step(w, parameter.grad[None].clone(), torch.tensor([[0.1]]))
    assert torch.isfinite(w).all()
    assert torch.allclose(w[0], parameter.detach(), rtol=1e-5, atol=1e-5)


def test_an_optimizer_without_a_rule_is_refused():
    w = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(DlgbenchError, match=r"one class with a rule, got LBFGS"):
        Rule([torch.optim.LBFGS([w])], w)
