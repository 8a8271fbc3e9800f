"""Each rule against torch.optim, over 50 steps on a badly scaled function that is not convex."""

from functools import partial

import pytest
import torch
from torch import optim

from dlgbench.equations import optimizers as rules
from dlgbench.equations.losses import l2_penalty_backward
from dlgbench.equations.optimizers import adam, adamw, descend, heavy_ball, momentum_ema, nag, sgd

STEPS = 50
START = torch.tensor([[-1.2, 1.0, 0.4], [0.8, -0.5, 0.3]], dtype=torch.float64)


def loss(w):
    """Rosenbrock's valley over five weights, with ripples; the sixth weight has gradient 0."""
    x = w.flatten()[:5]
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum() + torch.sin(5 * x).sum()


def gradient(w):
    w = w.detach().requires_grad_()
    return torch.autograd.grad(loss(w), w)[0]


def torch_path(optimizer, **args):
    w = START.clone().requires_grad_()
    optimizer = optimizer([w], **args)
    path = [START]
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def path(rule, gradient=gradient, **args):
    return descend(partial(rule, **args), gradient, START, STEPS)


def close(one, other):
    return torch.allclose(one, other, rtol=0, atol=1e-10)


CASES = [  # a rule, its arguments, torch's optimizer, and the optimizer's arguments
    ("sgd", {"lr": 1e-3}, optim.SGD, {"lr": 1e-3}),
    ("heavy_ball", {"lr": 2e-4}, optim.SGD, {"lr": 2e-4, "momentum": 0.9}),
    ("heavy_ball", {"lr": 4e-4, "mu": 0.5}, optim.SGD, {"lr": 4e-4, "momentum": 0.5}),
    ("nag", {"lr": 2e-4}, optim.SGD, {"lr": 2e-4, "momentum": 0.9, "nesterov": True}),
    ("rprop", {}, optim.Rprop, {}),
    (
        "rprop",
        {"shrink": 0.3, "grow": 1.5, "min_step": 1e-3, "max_step": 0.02},
        optim.Rprop,
        {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)},
    ),
    ("adagrad", {}, optim.Adagrad, {}),
    ("adagrad", {"lr": 0.3, "eps": 0.1}, optim.Adagrad, {"lr": 0.3, "eps": 0.1}),
    ("rmsprop", {}, optim.RMSprop, {}),
    (
        "rmsprop",
        {"lr": 0.003, "rho": 0.8, "eps": 0.1},
        optim.RMSprop,
        {"lr": 0.003, "alpha": 0.8, "eps": 0.1},
    ),
    ("adadelta", {}, optim.Adadelta, {}),
    (
        "adadelta",
        {"lr": 0.5, "rho": 0.7, "eps": 1e-4},
        optim.Adadelta,
        {"lr": 0.5, "rho": 0.7, "eps": 1e-4},
    ),
    ("adam", {}, optim.Adam, {}),
    (
        "adam",
        {"lr": 0.05, "b1": 0.8, "b2": 0.9, "eps": 0.1},
        optim.Adam,
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.1},
    ),
    ("adamw", {}, optim.AdamW, {}),
    (
        "adamw",
        {"lr": 0.05, "b1": 0.8, "b2": 0.9, "eps": 0.1, "decay": 2.0},
        optim.AdamW,
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 2.0},
    ),
]


@pytest.mark.parametrize(("name", "args", "optimizer", "torch_args"), CASES)
def test_rules_are_torchs(name, args, optimizer, torch_args):
    expected = torch_path(optimizer, **torch_args)
    assert expected.isfinite().all()
    assert (expected[-1] - START).abs().max() > 0.01
    assert close(path(getattr(rules, name), **args), expected)


def test_the_cases_differ_from_one_another():
    ends = [path(getattr(rules, name), **args)[-1] for name, args, *_ in CASES]
    for k, end in enumerate(ends):
        assert not any(close(end, other) for other in ends[:k]), CASES[k][:2]


def test_the_slides_momentum_is_torchs_at_a_smaller_rate():
    smaller = torch_path(optim.SGD, lr=2e-3 * (1 - 0.9), momentum=0.9, dampening=0)
    assert close(path(momentum_ema, lr=2e-3), smaller)
    # Powers of two cause no rounding: then the two are equal to the bit.
    assert torch.equal(path(momentum_ema, lr=2**-11, mu=0.5), path(heavy_ball, lr=2**-12, mu=0.5))


def test_the_slides_momentum_is_not_torchs_dampening():
    damped = torch_path(optim.SGD, lr=2e-3, momentum=0.9, dampening=0.9)
    slide = path(momentum_ema, lr=2e-3)
    # torch does not damp the first step.
    assert torch.allclose(damped[1] - START, 10 * (slide[1] - START))
    assert not close(damped[2:], slide[2:])


def test_heavy_ball_is_polyaks():
    w = path(heavy_ball, lr=2e-4, mu=0.9)
    for before, now, after in zip(w, w[1:], w[2:], strict=False):
        assert close(after, now - 2e-4 * gradient(now) + 0.9 * (now - before))


def test_nag_is_sutskevers_in_terms_of_the_look_ahead_point():
    lr, mu = 2e-4, 0.9
    q, u, ahead = START, torch.zeros_like(START), [START]
    for _ in range(STEPS):
        u = mu * u - lr * gradient(q + mu * u)
        q = q + u
        ahead.append(q + mu * u)
    assert close(path(nag, lr=lr, mu=mu), torch.stack(ahead))


def test_without_momentum_all_are_gradient_descent():
    plain = path(sgd, lr=1e-3)
    for rule in (momentum_ema, heavy_ball, nag):
        assert torch.equal(path(rule, lr=1e-3, mu=0.0), plain), rule


@pytest.mark.parametrize(
    ("rule", "optimizer", "lr"), [(sgd, optim.SGD, 1e-3), (adam, optim.Adam, 0.05)]
)
def test_the_slides_weight_decay_is_half_of_torchs(rule, optimizer, lr):
    lam, one = 0.7, torch.ones((), dtype=torch.float64)
    decayed = path(rule, lambda w: gradient(w) + l2_penalty_backward(one, w, lam), lr=lr)
    assert close(decayed, torch_path(optimizer, lr=lr, weight_decay=2 * lam))
    assert not close(decayed, torch_path(optimizer, lr=lr, weight_decay=lam))


def test_decoupled_decay_is_the_l2_penalty_for_sgd_and_not_for_adam():
    lr, lam, one = 1e-3, 0.7, torch.ones((), dtype=torch.float64)

    def penalized(w):
        return gradient(w) + l2_penalty_backward(one, w, lam)

    once = sgd(START, penalized(START), lr=lr)[0]
    assert close(once, (1 - lr * 2 * lam) * START - lr * gradient(START))
    assert not close(path(adamw, lr=lr, decay=2 * lam), path(adam, penalized, lr=lr))


@pytest.mark.parametrize("name", ["momentum_ema", *dict.fromkeys(name for name, *_ in CASES)])
def test_a_step_changes_nothing_in_place(name):
    rule, w, g = partial(getattr(rules, name), lr=0.01), START.clone(), gradient(START)
    _, state = rule(w, g)
    before = [v.clone() if isinstance(v, torch.Tensor) else v for v in state]
    first, again = (rule(w, 2 * g, state)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(w, START)
    assert torch.equal(g, gradient(START))
    for now, then in zip(state, before, strict=True):
        assert torch.equal(now, then) if isinstance(now, torch.Tensor) else now == then


def test_a_sabotaged_adam_is_noticed():
    def uncorrected(w, g, state=(0.0, 0.0), *, lr):
        m, r = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g**2
        return w - lr * m / (r.sqrt() + 1e-8), (m, r)

    assert not close(path(uncorrected, lr=0.001), torch_path(optim.Adam))
