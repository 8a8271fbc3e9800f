"""Update rules by name (torch.optim behind), learning rate schedules, and the max-norm constraint."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.initialization import incoming, weighted
from dlgbench.recipe import Recipe, plain


class MomentumEMA(torch.optim.Optimizer):
    """V <- mu V + (1 - mu) g, W <- W - lr V, V = 0 at first: the momentum of slide "(S)GD with momentum".

    It steps exactly as torch's SGD(momentum=mu) does at the rate lr (1 - mu), the `momentum` of `OPTIMIZERS`; so at equal lr it is 1 / (1 - mu)
    times slower. (SGD's `dampening` is not it: that leaves the first gradient undamped.)

    Args:
        params, lr: as in torch.optim.
        momentum: mu, 0 <= mu < 1.
        weight_decay: g gains weight_decay * W.

    Raises:
        ValueError: for another momentum.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1; {momentum} came")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; `closure`, if given, computes the loss anew, which is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    if "v" not in self.state[w]:
                        self.state[w]["v"] = torch.zeros_like(w)
                    v = self.state[w]["v"]
                    v.mul_(group["momentum"]).add_(
                        w.grad.add(w, alpha=group["weight_decay"]), alpha=1 - group["momentum"]
                    )
                    w.sub_(v, alpha=group["lr"])
        return loss


def _rprop(
    parameters: Iterable[nn.Parameter], weight_decay: float, **args: Any
) -> torch.optim.Optimizer:
    if weight_decay:
        raise ValueError(
            f"it takes the gradient's sign alone, so weight_decay must be 0; {weight_decay} came"
        )
    return torch.optim.Rprop(parameters, **args)


# g is the gradient of the loss, plus weight_decay * W except in adamw; `optimizer_args` override what stands here.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": functools.partial(
        torch.optim.SGD, fused=True
    ),  # W <- W - lr g; one kernel: 4x faster a step of a net of 56 layers, 1.05x with its gradient
    "momentum_ema": MomentumEMA,  # V <- mu V + (1 - mu) g, W <- W - lr V: the slide's momentum
    "momentum": functools.partial(
        torch.optim.SGD, momentum=0.9, fused=True
    ),  # V <- mu V + g, W <- W - lr V: heavy ball. Polyak 1964
    "nag": functools.partial(
        torch.optim.SGD, momentum=0.9, nesterov=True, fused=True
    ),  # V <- mu V + g, W <- W - lr (g + mu V). Sutskever et al. 2013
    "rprop": _rprop,  # W <- W - d sign(g), d from lr on, x 1.2 where the sign stays, x .5 (and no step) where it turns. Riedmiller & Braun 1993
    "adagrad": torch.optim.Adagrad,  # S <- S + g^2, W <- W - lr g / (sqrt(S) + eps). Duchi et al. 2011
    "rmsprop": torch.optim.RMSprop,  # S <- .99 S + .01 g^2, W as in adagrad. Tieleman & Hinton 2012
    "adadelta": torch.optim.Adadelta,  # U <- sqrt((D + eps) / (S + eps)) g, W <- W - lr U; D, S averages of U^2, g^2. Zeiler 2012, where lr = 1
    "adam": functools.partial(
        torch.optim.Adam, fused=True
    ),  # one kernel: 1.2x faster a step on one core. Kingma & Ba 2015
    "adamw": functools.partial(
        torch.optim.AdamW, fused=True
    ),  # adam's step, and - lr weight_decay W beside it. Loshchilov & Hutter 2019
}


def _one_cycle(t: float) -> float:
    first, last = 1 / 25, 1 / 25e4
    return (
        first + (1 - first) * t / 0.3
        if t < 0.3
        else last + (1 - last) * SCHEDULES["cosine"]((t - 0.3) / 0.7)
    )


# The learning rate's factor as a function of the share of the training that is done, 0 <= t < 1.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: 0.5 * (1.0 + math.cos(math.pi * t)),
    "step": lambda t: (
        0.1 ** ((t >= 0.5) + (t >= 0.75))
    ),  # a tenth from one half on, a hundredth from three quarters on
    "one_cycle": _one_cycle,  # linearly from 1/25 to 1 at t = .3, then as a cosine to 1/250,000. Smith 2018, the ends torch's
    "warmup": lambda t: min(
        1.0, 0.1 + 9.0 * t
    ),  # linearly from 1/10 to 1 over the first tenth, then constant. Goyal et al. 2017
}


def optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimizer. Its loss gradient gains weight_decay * w, which is 2 lambda w on the slides; `adamw` shrinks w apart from it.

    Raises:
        DlgbenchError: for an unknown name, arguments that it does not take, or a schedule for `rprop`, which sizes its own steps.
    """
    if recipe.optimizer not in OPTIMIZERS:
        raise unknown("optimizer", recipe.optimizer, OPTIMIZERS)
    if recipe.optimizer == "rprop" and recipe.schedule != "constant":
        raise DlgbenchError(
            f"optimizer rprop: it reads lr at its first step alone, so the schedule must be constant; {recipe.schedule!r} came"
        )
    args: dict[str, Any] = plain(recipe.optimizer_args)
    try:
        return OPTIMIZERS[recipe.optimizer](
            parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, **args
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise DlgbenchError(f"optimizer {recipe.optimizer}: {error}") from error


def schedule(recipe: Recipe) -> Callable[[float], float]:
    """The recipe's schedule.

    Raises:
        DlgbenchError: for an unknown name.
    """
    if recipe.schedule not in SCHEDULES:
        raise unknown("schedule", recipe.schedule, SCHEDULES)
    return SCHEDULES[recipe.schedule]


@torch.no_grad()
def constrain(network: nn.Module, most: float) -> None:
    """Max-norm: each unit's incoming weights are scaled back to l2 norm `most` where they exceed it (Srivastava 2014, 5.1)."""
    for module in weighted(network):
        incoming(module).copy_(torch.renorm(incoming(module), 2, 0, most))
