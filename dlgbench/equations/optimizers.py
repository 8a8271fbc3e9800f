"""Update rules of optimizers, elementwise, with the defaults of torch.optim.

Slides "(S)GD with momentum", "Step-size Selection & Optimizers: research problem".

A rule is a pure function (w, g, state) -> (w, state) of the weights w, the gradient g = dL/dw at w,
and the rule's memory; its constants are keyword arguments. The first step is taken without a state:
`descend(functools.partial(adam, lr=0.1), gradient, w, steps)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

State = tuple[Any, ...]  # tensors of w's shape; numbers before the first step
Update = tuple[Tensor, State]


def descend(
    rule: Callable[..., Update], gradient: Callable[[Tensor], Tensor], w: Tensor, steps: int
) -> Tensor:
    """The path w_0, ..., w_steps of a rule. Shapes: w (...) -> (steps + 1, ...)."""
    path: list[Tensor] = [w]
    memory: tuple[State, ...] = ()  # no state before the first step
    for _ in range(steps):
        w, state = rule(w, gradient(w), *memory)
        path, memory = [*path, w], (state,)
    return torch.stack(path)


def sgd(w: Tensor, g: Tensor, state: State = (), *, lr: float) -> Update:
    """Gradient descent: w <- w - lr g. Slide "Gradient Descent Minimization Method"."""
    return w - lr * g, state


def momentum_ema(
    w: Tensor, g: Tensor, state: State = (0.0,), *, lr: float, mu: float = 0.9
) -> Update:
    """The slide's momentum, a moving average of g: v <- mu v + (1 - mu) g; w <- w - lr v.

    It is `heavy_ball` at the learning rate lr (1 - mu).
    """
    (v,) = state
    v = mu * v + (1 - mu) * g
    return w - lr * v, (v,)


def heavy_ball(
    w: Tensor, g: Tensor, state: State = (0.0,), *, lr: float, mu: float = 0.9
) -> Update:
    """Polyak 1964: v <- mu v + g; w <- w - lr v.

    This is w_(t+1) = w_t - lr g + mu (w_t - w_(t-1)), and torch's SGD(momentum=mu).
    """
    (v,) = state
    v = mu * v + g
    return w - lr * v, (v,)


def nag(w: Tensor, g: Tensor, state: State = (0.0,), *, lr: float, mu: float = 0.9) -> Update:
    """Nesterov's accelerated gradient: v <- mu v + g; w <- w - lr (g + mu v).

    It is torch's SGD(momentum=mu, nesterov=True). Nesterov 1983, as Sutskever et al. 2013 write it,
    is u <- mu u - lr g(q + mu u); q <- q + u. Here u = -lr v, and w = q + mu u is the look-ahead
    point at which the gradient is taken.
    """
    (v,) = state
    v = mu * v + g
    return w - lr * (g + mu * v), (v,)


def rprop(
    w: Tensor,
    g: Tensor,
    state: State = (),
    *,
    lr: float = 0.01,
    shrink: float = 0.5,
    grow: float = 1.2,
    min_step: float = 1e-6,
    max_step: float = 50.0,
) -> Update:
    """Resilient propagation: w <- w - s sign(g), where each weight has its own step size s.

    s starts at lr, grows while the sign of the gradient stays the same, and shrinks when the sign
    changes. After a change of sign the weight stays where it is for one step. Only the signs of the
    gradient count, so the rule is for full batches. Riedmiller & Braun 1993; this variant is
    iRprop-, Igel & Huesken 2000.
    """
    last, s = state or (torch.zeros_like(w), torch.full_like(w, lr))
    agreement = last * g
    smaller = torch.where(agreement < 0, shrink * s, s)
    s = torch.where(agreement > 0, grow * s, smaller).clamp(min_step, max_step)
    g = torch.where(agreement < 0, 0.0, g)
    return w - s * torch.sign(g), (g, s)


def adagrad(
    w: Tensor, g: Tensor, state: State = (0.0,), *, lr: float = 0.01, eps: float = 1e-10
) -> Update:
    """Duchi et al. 2011: r <- r + g^2; w <- w - lr g / (sqrt(r) + eps)."""
    (r,) = state
    r = r + g**2
    return w - lr * g / (r.sqrt() + eps), (r,)


def rmsprop(
    w: Tensor,
    g: Tensor,
    state: State = (0.0,),
    *,
    lr: float = 0.01,
    rho: float = 0.99,
    eps: float = 1e-8,
) -> Update:
    """Tieleman & Hinton 2012, lecture 6.5; torch calls rho alpha.

    r <- rho r + (1 - rho) g^2; w <- w - lr g / (sqrt(r) + eps).
    """
    (r,) = state
    r = rho * r + (1 - rho) * g**2
    return w - lr * g / (r.sqrt() + eps), (r,)


def adadelta(
    w: Tensor,
    g: Tensor,
    state: State = (0.0, 0.0),
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
) -> Update:
    """Zeiler 2012, where lr = 1.

    r <- rho r + (1 - rho) g^2; d = g sqrt(q + eps) / sqrt(r + eps);
    q <- rho q + (1 - rho) d^2; w <- w - lr d.
    """
    r, q = state
    r = rho * r + (1 - rho) * g**2
    d = g * ((q + eps) / (r + eps)) ** 0.5
    return w - lr * d, (r, rho * q + (1 - rho) * d**2)


def adam(
    w: Tensor,
    g: Tensor,
    state: State = (0.0, 0.0, 0),
    *,
    lr: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> Update:
    """Kingma & Ba 2015, algorithm 1.

    m <- b1 m + (1 - b1) g; r <- b2 r + (1 - b2) g^2; w <- w - lr m^ / (sqrt(r^) + eps).
    m^ = m / (1 - b1^t) and r^ = r / (1 - b2^t) correct the bias of the start at zero; t counts the
    steps from 1.
    """
    m, r, t = state
    m, r, t = b1 * m + (1 - b1) * g, b2 * r + (1 - b2) * g**2, t + 1
    m_hat, r_hat = m / (1 - b1**t), r / (1 - b2**t)
    return w - lr * m_hat / (r_hat.sqrt() + eps), (m, r, t)


def adamw(
    w: Tensor,
    g: Tensor,
    state: State = (0.0, 0.0, 0),
    *,
    lr: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    decay: float = 0.01,
) -> Update:
    """Loshchilov & Hutter 2019, algorithm 2: w <- (1 - lr decay) w, then Adam's step.

    The decay enters neither m nor r.
    """
    return adam((1 - lr * decay) * w, g, state, lr=lr, b1=b1, b2=b2, eps=eps)
