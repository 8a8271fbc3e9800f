import math

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from dlgbench import DlgbenchError, Recipe
from dlgbench.registry import OPTIMIZERS, SCHEDULES, register_schedule
from dlgbench.tasks.optimization import constrain, optimizer, schedule

FACTORS = {name: part.make for name, part in SCHEDULES.items()}
A = torch.tensor([[1.0, 0.3], [0.3, 20.0]], dtype=torch.float64)  # L(w) = w'Aw / 2


def recipe(name="sgd", **more):
    return Recipe(model="mlp", steps=0, **({"optimizer": name, "lr": 0.05} | more))


def path(declared, steps=12, factor=None):
    """Where the recipe's optimizer goes from (3, -2)."""
    w = nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
    rule, points = optimizer(declared, [w]), []
    for step in range(steps):
        if factor is not None:
            for group in rule.param_groups:
                group["lr"] = declared.lr * factor(step / steps)
        rule.zero_grad()
        (w @ A @ w / 2).backward()
        rule.step()
        points.append(w.detach().clone())
    return torch.stack(points)


def by_equation(update, steps=12):
    """The same by a rule written out, update(w, g, t, memory): g the gradient at w; t = 1, ..."""
    w, memory, points = torch.tensor([3.0, -2.0], dtype=torch.float64), {}, []
    for t in range(1, steps + 1):
        w = update(w, A @ w, t, memory)
        points.append(w)
    return torch.stack(points)


def sgd(w, g, _t, _m):
    return w - 0.05 * g


def momentum_ema(w, g, _t, m):
    m["v"] = 0.9 * m.get("v", 0) + 0.1 * g
    return w - 0.05 * m["v"]


def momentum(w, g, _t, m):
    m["v"] = 0.9 * m.get("v", 0) + g
    return w - 0.05 * m["v"]


def nag(w, g, _t, m):
    """w is the point that looks ahead: its path is torch's."""
    m["v"] = 0.9 * m.get("v", 0) + g
    return w - 0.05 * (g + 0.9 * m["v"])


def rprop(w, g, _t, m):
    d, last = m.get("d", torch.full_like(w, 0.05)), m.get("g", torch.zeros_like(w))
    d = torch.where(g * last > 0, 1.2 * d, torch.where(g * last < 0, 0.5 * d, d)).clamp(1e-6, 50)
    g = torch.where(g * last < 0, 0, g)  # no step where the sign turned
    m["d"], m["g"] = d, g
    return w - d * g.sign()


def adagrad(w, g, _t, m):
    m["s"] = m.get("s", 0) + g**2
    return w - 0.05 * g / (m["s"].sqrt() + 1e-10)


def rmsprop(w, g, _t, m):
    m["s"] = 0.99 * m.get("s", 0) + 0.01 * g**2
    return w - 0.05 * g / (m["s"].sqrt() + 1e-8)


def adadelta(w, g, _t, m):
    m["s"] = 0.9 * m.get("s", 0) + 0.1 * g**2
    step = ((m.get("d", 0) + 1e-6) / (m["s"] + 1e-6)) ** 0.5 * g
    m["d"] = 0.9 * m.get("d", 0) + 0.1 * step**2
    return w - 0.05 * step


def adam(w, g, t, m):
    m["m"] = 0.9 * m.get("m", 0) + 0.1 * g
    m["v"] = 0.999 * m.get("v", 0) + 0.001 * g**2
    return w - 0.05 * (m["m"] / (1 - 0.9**t)) / ((m["v"] / (1 - 0.999**t)).sqrt() + 1e-8)


EQUATIONS = {
    rule.__name__: rule
    for rule in (sgd, momentum_ema, momentum, nag, rprop, adagrad, rmsprop, adadelta, adam)
} | {"adamw": adam}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_is_its_equation(name):
    assert torch.allclose(path(recipe(name)), by_equation(EQUATIONS[name]), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"rprop"}))
def test_weight_decay_adds_to_the_gradient_and_adamw_keeps_it_apart(name):
    rule = EQUATIONS[name]
    if name == "adamw":
        expected = by_equation(lambda w, g, t, m: rule(w, g, t, m) - 0.05 * 0.3 * w)
    else:
        expected = by_equation(lambda w, g, t, m: rule(w, g + 0.3 * w, t, m))
    assert torch.allclose(path(recipe(name, weight_decay=0.3)), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("name", sorted(set(FACTORS) - {"one_cycle"}))
def test_the_slides_momentum_is_torchs_at_one_minus_mu_of_the_rate_under_every_schedule(mu, name):
    def by(rule, lr=0.05, **args):
        args = {"momentum": mu, **args}
        declared = {"lr": lr, "optimizer_args": args, "schedule": name, "weight_decay": 0.1}
        return path(recipe(rule, **declared), 30, FACTORS[name])

    slide, ball = by("momentum_ema"), by("momentum", lr=0.05 * (1 - mu))
    assert torch.allclose(slide, ball, rtol=1e-10, atol=1e-12)
    if mu:  # dampening is another rule: its first step is undamped
        assert not torch.allclose(slide[0], by("sgd", dampening=mu)[0], rtol=1e-3)


def test_momentum_ema_saves_and_resumes_and_takes_a_closure():
    def loss():
        w.grad = A @ w.detach()
        return w.detach() @ A @ w.detach() / 2

    w = nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
    rule = optimizer(recipe("momentum_ema"), [w])
    assert rule.step(loss).item() == pytest.approx(0.5 * (9 + 80 - 3.6))
    state = rule.state_dict()
    rule = optimizer(recipe("momentum_ema"), [w])
    rule.load_state_dict(state)
    rule.step(loss)
    assert torch.allclose(w.detach(), path(recipe("momentum_ema"), 2)[-1])
    frozen = nn.Parameter(torch.ones(2))
    optimizer(recipe("momentum_ema"), [frozen]).step()  # without a gradient it stays
    assert torch.equal(frozen.detach(), torch.ones(2))


def steps_to_a_thousandth(name, lr, mu, kappa=100.0):
    """Steps until |w| is a thousandth, on L = (w_1^2 + kappa w_2^2) / 2 from (1, 1)."""
    w = nn.Parameter(torch.ones(2, dtype=torch.float64))
    rule = optimizer(recipe(name, lr=lr, optimizer_args={"momentum": mu} if mu else {}), [w])
    for step in range(1, 1000):
        w.grad = torch.tensor([1.0, kappa], dtype=torch.float64) * w.detach()
        rule.step()
        if w.detach().norm() < 1e-3 * math.sqrt(2):
            return step
    return math.inf


def test_convergence_on_a_ravine_is_the_theorys():
    # Polyak 1964: the best rates contract by (kappa - 1) / (kappa + 1) and (root - 1) / (root + 1)
    root = 10.0  # sqrt(kappa)
    plain = steps_to_a_thousandth("sgd", 2 / 101, 0)
    assert plain == math.ceil(math.log(1e-3) / math.log(99 / 101)) == 346
    mu, lr = (9 / 11) ** 2, (2 / 11) ** 2
    ball = steps_to_a_thousandth("momentum", lr, mu)
    assert steps_to_a_thousandth("momentum_ema", lr / (1 - mu), mu) == ball
    # 34, plus a transient of t (9 / 11)^t
    asymptotic = math.log(1e-3) / math.log((root - 1) / (root + 1))
    assert asymptotic < ball < 2 * asymptotic
    assert steps_to_a_thousandth("nag", 1 / 100, 9 / 11) < plain / 4


def test_optimizer_args_override_what_a_name_stands_for():
    def group(name, **args):
        rule = optimizer(recipe(name, optimizer_args=args), [nn.Parameter(torch.ones(1))])
        return rule.param_groups[0]

    still = path(recipe("momentum", optimizer_args={"momentum": 0.0}))
    assert torch.allclose(still, path(recipe("sgd")), atol=1e-15)
    assert group("nag", momentum=0.5)["momentum"] == 0.5
    assert group("adam", betas=[0.8, 0.9])["betas"] == (0.8, 0.9)


@pytest.mark.parametrize(
    ("message", "declared"),
    {
        "no optimizer is called 'lbfgs'": {"name": "lbfgs"},
        "optimizer momentum_ema: expected momentum of at least 0 and below 1, got 1.0": {
            "name": "momentum_ema",
            "optimizer_args": {"momentum": 1.0},
        },
        "optimizer momentum_ema: .*nesterov": {
            "name": "momentum_ema",
            "optimizer_args": {"nesterov": True},
        },
        "optimizer rprop: expected weight_decay 0, .*, got 0.1": {
            "name": "rprop",
            "weight_decay": 0.1,
        },
        "optimizer rprop: expected schedule constant, .*, got 'cosine'": {
            "name": "rprop",
            "schedule": "cosine",
        },
    }.items(),
)
def test_what_makes_no_sense_is_refused(message, declared):
    with pytest.raises(DlgbenchError, match=message):
        optimizer(recipe(**declared), [nn.Parameter(torch.ones(2))])


def test_schedules_are_torchs():
    n, peak = 100, 30
    # OneCycleLR counts from the first step to the last of n + 1; its peak is step pct * (n + 1) - 1
    cycle = {"max_lr": 1.0, "total_steps": n + 1, "pct_start": (peak + 1) / (n + 1)}
    theirs = {
        "constant": lambda rule: lr_scheduler.ConstantLR(rule, 1.0),
        "linear": lambda rule: lr_scheduler.LinearLR(rule, 1.0, 1e-12, n),
        "cosine": lambda rule: lr_scheduler.CosineAnnealingLR(rule, n),
        "step": lambda rule: lr_scheduler.MultiStepLR(rule, [n // 2, 3 * n // 4]),
        "warmup": lambda rule: lr_scheduler.LinearLR(rule, 0.1, 1.0, n // 10),
        "up": lambda rule: lr_scheduler.OneCycleLR(rule, **cycle, anneal_strategy="linear"),
        "down": lambda rule: lr_scheduler.OneCycleLR(rule, **cycle, anneal_strategy="cos"),
    }
    rates = {}
    for name, make in theirs.items():
        rule = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
        scheduler, rates[name] = make(rule), []
        for _ in range(n):
            rates[name].append(scheduler.get_last_lr()[0])
            rule.step()
            scheduler.step()
    rates["one_cycle"] = rates.pop("up")[:peak] + rates.pop("down")[peak:]
    assert set(rates) == set(FACTORS)
    for name, expected in rates.items():
        ours = [FACTORS[name](step / n) for step in range(n)]
        assert ours == pytest.approx(expected, abs=1e-9), name
    assert schedule(recipe(schedule="constant"))(0.7) == 1.0
    with pytest.raises(DlgbenchError, match="no schedule is called 'cosin'; did you mean 'cosine'"):
        schedule(recipe(schedule="cosin"))


@pytest.mark.parametrize(
    ("name", "factors"),
    {
        "linear": {0: 1, 0.25: 0.75, 0.5: 0.5},
        "step": {0: 1, 0.49: 1, 0.5: 0.1, 0.74: 0.1, 0.75: 0.01, 0.99: 0.01},
        "warmup": {0: 0.1, 0.05: 0.55, 0.1: 1, 0.9: 1},
        "one_cycle": {0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: 0.5 + 0.5 / 25e4, 1: 1 / 25e4},
    }.items(),
)
def test_schedules_at_their_corners(name, factors):
    assert {t: FACTORS[name](t) for t in factors} == pytest.approx(factors)


def test_weight_decay_is_two_lambda_of_the_slides():
    lambda_ = 0.1
    w = nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
    loss = w @ A @ w / 2 + lambda_ * w.square().sum()  # the slide's L(W)
    loss.backward()
    expected = w.detach() - 0.05 * w.grad
    assert torch.allclose(path(recipe("sgd", weight_decay=2 * lambda_), 1)[0], expected, atol=1e-15)
    by_hand = w.detach() - 0.05 * (A @ w.detach() + 2 * lambda_ * w.detach())
    assert torch.allclose(expected, by_hand, atol=1e-15)


def test_max_norm_scales_back_only_what_exceeds_it():
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    constrain(nn.Sequential(layer), 1.0)
    assert torch.allclose(layer.weight, torch.tensor([[0.6, 0.8], [0.3, 0.4]]), atol=1e-6)
    assert math.isclose(layer.weight[0].norm().item(), 1.0, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("factor", "got"),
    [
        (math.pow, "TypeError"),
        (lambda _: None, "None"),
        (torch.optim.lr_scheduler.StepLR, "TypeError"),
    ],
)
def test_a_schedule_that_is_no_function_of_t_is_one_message(factor, got, monkeypatch):
    monkeypatch.setattr(SCHEDULES, "_parts", dict(SCHEDULES))
    register_schedule("mine")(factor)
    message = f"schedule mine: expected a function of the share t .*, got {got}"
    with pytest.raises(DlgbenchError, match=message):
        schedule(recipe("sgd").override(schedule="mine"))
