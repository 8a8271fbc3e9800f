"""Optimizers by name, mostly torch.optim's; learning rate schedules; the max-norm constraint."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import incoming, weighted
from dlgbench.recipe import Recipe, plain
from dlgbench.registry import OPTIMIZERS, SCHEDULES, register_optimizer, register_schedule

Parameters = Iterable[nn.Parameter]


@register_optimizer("momentum_ema")
class MomentumEMA(torch.optim.Optimizer):
    """The momentum of slide "(S)GD with momentum": V <- mu V + (1 - mu) g, W <- W - lr V.

    V = 0 at first. Its steps are exactly those of the optimizer `momentum`, torch's
    SGD(momentum=mu), at the rate lr (1 - mu); so at equal lr it is 1 / (1 - mu) times slower.
    (SGD's `dampening` is different: it leaves the first gradient undamped.)

    Args:
        params, lr: as in torch.optim.
        momentum: mu, 0 <= mu < 1.
        weight_decay: g gains weight_decay * W.

    Raises:
        ValueError: for a momentum outside this range.
    """

    def __init__(
        self, params: Parameters, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"expected momentum of at least 0 and below 1, got {momentum}")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Makes one update; returns the loss that `closure` computes, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            mu, decay = group["momentum"], group["weight_decay"]
            for w in group["params"]:
                if w.grad is not None:
                    if "v" not in self.state[w]:
                        self.state[w]["v"] = torch.zeros_like(w)
                    v = self.state[w]["v"]
                    v.mul_(mu).add_(w.grad.add(w, alpha=decay), alpha=1 - mu)
                    w.sub_(v, alpha=group["lr"])
        return loss


@register_optimizer("rprop")
def rprop(parameters: Parameters, weight_decay: float, **args: Any) -> torch.optim.Optimizer:
    """W <- W - d sign(g), with a step size d for each weight. Riedmiller & Braun 1993.

    d is lr at first. It is multiplied by 1.2 where the sign of g stays the same, and by 0.5, with
    no step, where the sign changes.
    """
    if weight_decay:
        wanted = "weight_decay 0, since it takes the gradient's sign alone"
        raise ValueError(f"expected {wanted}, got {weight_decay}")
    return torch.optim.Rprop(parameters, **args)


# g is the gradient of the loss, plus weight_decay * W except in adamw. A recipe's `optimizer_args`
# override the arguments here. `fused` makes one kernel of a step: on one core a step of a net of 56
# layers is 3x faster with SGD (1.05x including the gradient), and 1.2x faster with Adam.
_sgd = functools.partial(torch.optim.SGD, fused=True)
# W <- W - lr g
register_optimizer("sgd")(_sgd)
# V <- mu V + g, W <- W - lr V: heavy ball. Polyak 1964.
register_optimizer("momentum")(functools.partial(_sgd, momentum=0.9))
# V <- mu V + g, W <- W - lr (g + mu V). Sutskever et al. 2013.
register_optimizer("nag")(functools.partial(_sgd, momentum=0.9, nesterov=True))
# S <- S + g^2, W <- W - lr g / (sqrt(S) + eps). Duchi et al. 2011.
register_optimizer("adagrad")(torch.optim.Adagrad)
# S <- .99 S + .01 g^2, W as in adagrad. Tieleman & Hinton 2012.
register_optimizer("rmsprop")(torch.optim.RMSprop)
# U <- sqrt((D + eps) / (S + eps)) g, W <- W - lr U; D, S averages of U^2, g^2.
# Zeiler 2012, where lr = 1.
register_optimizer("adadelta")(torch.optim.Adadelta)
# S, M bias-corrected averages of g^2, g, W <- W - lr M / (sqrt(S) + eps). Kingma & Ba 2015.
register_optimizer("adam")(functools.partial(torch.optim.Adam, fused=True))
# adam's step, minus lr weight_decay W. Loshchilov & Hutter 2019.
register_optimizer("adamw")(functools.partial(torch.optim.AdamW, fused=True))


# schedules: the learning rate's factor as a function of the share t of the training that is done,
# 0 <= t < 1


@register_schedule("constant")
def constant(_t: float) -> float:
    """1."""
    return 1.0


@register_schedule("linear")
def linear(t: float) -> float:
    """1 - t."""
    return 1.0 - t


@register_schedule("cosine")
def cosine(t: float) -> float:
    """(1 + cos(pi t)) / 2. Loshchilov & Hutter 2017."""
    return 0.5 * (1.0 + math.cos(math.pi * t))


@register_schedule("step")
def step(t: float) -> float:
    """A tenth from one half on, a hundredth from three quarters on. He et al. 2016."""
    return float(0.1 ** ((t >= 0.5) + (t >= 0.75)))


@register_schedule("one_cycle")
def one_cycle(t: float) -> float:
    """Linear from 1/25 to 1 at t = 0.3, then a cosine to 1/250,000. Smith 2018.

    The factors at the ends are those of torch's OneCycleLR.
    """
    first, last = 1 / 25, 1 / 25e4
    if t < 0.3:
        return first + (1 - first) * t / 0.3
    return last + (1 - last) * cosine((t - 0.3) / 0.7)


@register_schedule("warmup")
def warmup(t: float) -> float:
    """Linear from 1/10 to 1 over the first tenth, then constant. Goyal et al. 2017."""
    return min(1.0, 0.1 + 9.0 * t)


def optimizer(recipe: Recipe, parameters: Parameters) -> torch.optim.Optimizer:
    """The recipe's optimizer.

    It adds weight_decay * w, on the slides 2 lambda w, to the gradient of the loss; `adamw` shrinks
    w apart from the gradient.

    Raises:
        DlgbenchError: for an unknown name, arguments that it does not take, or a schedule for
            `rprop`, which adapts its own step sizes.
    """
    make = OPTIMIZERS[recipe.optimizer].make
    if recipe.optimizer == "rprop" and recipe.schedule != "constant":
        wanted = "schedule constant, since it reads lr at its first step alone"
        raise DlgbenchError(f"optimizer rprop: expected {wanted}, got {recipe.schedule!r}")
    args: dict[str, Any] = plain(recipe.optimizer_args)
    try:
        rule = make(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, **args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DlgbenchError(f"optimizer {recipe.optimizer}: {error}") from error
    if not isinstance(rule, torch.optim.Optimizer):
        raise DlgbenchError(
            f"optimizer {recipe.optimizer}: expected a torch.optim.Optimizer, got {rule!r}"
        )
    return rule


def schedule(recipe: Recipe) -> Callable[[float], float]:
    """The recipe's schedule.

    Raises:
        DlgbenchError: for an unknown name, or for anything but a function of t, 0 <= t < 1, to a
            number.
    """
    factor = SCHEDULES[recipe.schedule].make
    wanted = "a function of the share t of the training that is done, which gives a number"
    try:
        values = [factor(0.0), factor(0.5)]
    except Exception as error:  # a user's schedule may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise DlgbenchError(
            f"schedule {recipe.schedule}: expected {wanted}, got {reason}"
        ) from error
    for value in values:
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise DlgbenchError(f"schedule {recipe.schedule}: expected {wanted}, got {value!r}")
    return factor


@torch.no_grad()
def constrain(network: nn.Module, most: float) -> None:
    """Max-norm: scales the incoming weights of each unit to l2 norm `most` where they exceed it.

    Srivastava et al. 2014, section 5.1.
    """
    for module in weighted(network):
        incoming(module).copy_(torch.renorm(incoming(module), 2, 0, most))
