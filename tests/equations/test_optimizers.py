"""Each rule against torch.optim over 50 steps of a function that is neither convex nor of one scale."""

from functools import partial

import pytest
import torch

from dlgbench.equations import optimizers as rules
from dlgbench.equations.losses import l2_penalty_backward
from dlgbench.equations.optimizers import adam, adamw, descend, ema, heavy_ball, nag, sgd

STEPS = 50
START = torch.tensor([[-1.2, 1.0, 0.4], [0.8, -0.5, 0.3]], dtype=torch.float64)


def loss(w):
    """Rosenbrock's valley over five weights, with ripples; the sixth does nothing, and its gradient is 0."""
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


CASES = [
    ("sgd", {"lr": 1e-3}, torch.optim.SGD, {"lr": 1e-3}),
    ("heavy_ball", {"lr": 2e-4}, torch.optim.SGD, {"lr": 2e-4, "momentum": 0.9}),
    ("heavy_ball", {"lr": 4e-4, "mu": 0.5}, torch.optim.SGD, {"lr": 4e-4, "momentum": 0.5}),
    ("nag", {"lr": 2e-4}, torch.optim.SGD, {"lr": 2e-4, "momentum": 0.9, "nesterov": True}),
    ("rprop", {}, torch.optim.Rprop, {}),
    (
        "rprop",
        {"shrink": 0.3, "grow": 1.5, "least": 1e-3, "most": 0.02},
        torch.optim.Rprop,
        {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)},
    ),
    ("adagrad", {}, torch.optim.Adagrad, {}),
    ("adagrad", {"lr": 0.3, "eps": 0.1}, torch.optim.Adagrad, {"lr": 0.3, "eps": 0.1}),
    ("rmsprop", {}, torch.optim.RMSprop, {}),
    (
        "rmsprop",
        {"lr": 0.003, "rho": 0.8, "eps": 0.1},
        torch.optim.RMSprop,
        {"lr": 0.003, "alpha": 0.8, "eps": 0.1},
    ),
    ("adadelta", {}, torch.optim.Adadelta, {}),
    (
        "adadelta",
        {"lr": 0.5, "rho": 0.7, "eps": 1e-4},
        torch.optim.Adadelta,
        {"lr": 0.5, "rho": 0.7, "eps": 1e-4},
    ),
    ("adam", {}, torch.optim.Adam, {}),
    (
        "adam",
        {"lr": 0.05, "b1": 0.8, "b2": 0.9, "eps": 0.1},
        torch.optim.Adam,
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.1},
    ),
    ("adamw", {}, torch.optim.AdamW, {}),
    (
        "adamw",
        {"lr": 0.05, "b1": 0.8, "b2": 0.9, "eps": 0.1, "decay": 2.0},
        torch.optim.AdamW,
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 2.0},
    ),
]


@pytest.mark.parametrize(("name", "args", "optimizer", "torch_args"), CASES)
def test_rules_are_torchs(name, args, optimizer, torch_args):
    came, wanted = path(getattr(rules, name), **args), torch_path(optimizer, **torch_args)
    assert wanted.isfinite().all()
    assert (wanted[-1] - START).abs().max() > 0.01
    assert close(came, wanted)


def test_the_cases_differ_from_one_another():
    ends = [path(getattr(rules, name), **args)[-1] for name, args, *_ in CASES]
    for k, end in enumerate(ends):
        assert not any(close(end, other) for other in ends[:k]), CASES[k][:2]


def test_the_slides_momentum_is_torchs_at_a_smaller_rate():
    assert close(
        path(ema, lr=2e-3),
        torch_path(torch.optim.SGD, lr=2e-3 * (1 - 0.9), momentum=0.9, dampening=0),
    )
    # Powers of two round nothing: then it is so to the bit.
    assert torch.equal(path(ema, lr=2**-11, mu=0.5), path(heavy_ball, lr=2**-12, mu=0.5))


def test_the_slides_momentum_is_not_torchs_dampening():
    damped = torch_path(torch.optim.SGD, lr=2e-3, momentum=0.9, dampening=0.9)
    slide = path(ema, lr=2e-3)
    assert torch.allclose(
        damped[1] - START, 10 * (slide[1] - START)
    )  # its first step is not damped
    assert not close(damped[2:], slide[2:])


def test_heavy_ball_is_polyaks():
    w = path(heavy_ball, lr=2e-4, mu=0.9)
    for before, now, after in zip(w, w[1:], w[2:], strict=False):
        assert close(after, now - 2e-4 * gradient(now) + 0.9 * (now - before))


def test_nag_is_sutskevers_seen_from_the_place_ahead():
    lr, mu = 2e-4, 0.9
    q, u, ahead = START, torch.zeros_like(START), [START]
    for _ in range(STEPS):
        u = mu * u - lr * gradient(q + mu * u)
        q = q + u
        ahead.append(q + mu * u)
    assert close(path(nag, lr=lr, mu=mu), torch.stack(ahead))


def test_without_momentum_all_are_gradient_descent():
    plain = path(sgd, lr=1e-3)
    assert all(torch.equal(path(rule, lr=1e-3, mu=0.0), plain) for rule in (ema, heavy_ball, nag))


@pytest.mark.parametrize(
    ("rule", "optimizer", "lr"), [(sgd, torch.optim.SGD, 1e-3), (adam, torch.optim.Adam, 0.05)]
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


@pytest.mark.parametrize(
    "name",
    ["sgd", "ema", "heavy_ball", "nag", "rprop", "adagrad", "rmsprop", "adadelta", "adam", "adamw"],
)
def test_a_step_changes_nothing_in_place(name):
    rule, w, g = partial(getattr(rules, name), lr=0.01), START.clone(), gradient(START)
    _, state = rule(w, g)
    kept = [v.clone() if isinstance(v, torch.Tensor) else v for v in state]
    first, again = (rule(w, 2 * g, state)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(w, START)
    assert torch.equal(g, gradient(START))
    assert all(
        torch.equal(v, k) if isinstance(v, torch.Tensor) else v == k
        for v, k in zip(state, kept, strict=True)
    )


def test_a_sabotaged_adam_is_noticed():
    def uncorrected(w, g, state=(0.0, 0.0), *, lr):
        m, r = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g**2
        return w - lr * m / (r.sqrt() + 1e-8), (m, r)

    assert not close(path(uncorrected, lr=0.001), torch_path(torch.optim.Adam))
