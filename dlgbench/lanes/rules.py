"""Update rules for lanes: torch.optim's, elementwise, with a value of each constant per lane.

Adam of wide lanes is torch's own kernel on a CPU, one lane after the other (`WIDE`).

A rule updates the weights w (R, P) of R lanes in place, given the gradient g (R, P), which it may
overwrite. lr and the constants `c`, named as in torch.optim, are (R, 1); a momentum or weight decay
of 0 in all lanes is left out. `state` is the rule's memory: tensors (R, P) by name, empty at first,
and `t`, the number of the step from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam as torch_adam

from dlgbench.errors import DlgbenchError
from dlgbench.tasks.optimization import MomentumEMA

State = dict[str, Any]
Constants = Mapping[str, Any]  # name -> (R, 1), or a tuple of such; a switch is a bool
Update = Callable[[Tensor, Tensor, State, Tensor, Constants], None]
SWITCHES = ("nesterov",)  # lanes of one stack agree on them
# Weights of a lane from which Adam is torch's fused kernel, lane by lane: 0.8 of the stacked step's
# time at 33,000 weights and a third at 119,000 (CPU), where the eight passes no longer fit the
# cache; at 20,000 there is no difference, and below the calls cost more.
WIDE = 2**15


def sgd(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """V <- mu V + g; W <- W - lr V, or W - lr (g + mu V) with Nesterov's gradient."""
    _decay(w, g, c)
    if "momentum" in c:
        v = _memory(state, "v", w).mul_(c["momentum"]).add_(g)
        g = g.addcmul_(v, c["momentum"]) if c["nesterov"] else v
    w.addcmul_(g, lr, value=-1)


def momentum_ema(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """V <- mu V + (1 - mu) g; W <- W - lr V."""
    _decay(w, g, c)
    v = _memory(state, "v", w).lerp_(g, 1 - c["momentum"]) if "momentum" in c else g
    w.addcmul_(v, lr, value=-1)


def adagrad(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """S <- S + g^2; W <- W - lr g / (sqrt(S) + eps)."""
    _decay(w, g, c)
    s = _memory(state, "s", w).addcmul_(g, g)
    w.addcdiv_(g.mul_(lr), _root(s).add_(c["eps"]), value=-1)


def rmsprop(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """S <- a S + (1 - a) g^2; V <- mu V + g / (sqrt(S) + eps); W <- W - lr V."""
    _decay(w, g, c)
    s = _mean_square(state, "s", g, c["alpha"])
    root = _root(s).add_(c["eps"])
    if "momentum" in c:
        v = _memory(state, "v", w).mul_(c["momentum"]).addcdiv_(g, root)
        w.addcmul_(v, lr, value=-1)
    else:
        w.addcdiv_(g.mul_(lr), root, value=-1)


def adadelta(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """U = sqrt((D + eps) / (S + eps)) g; W <- W - lr U; D and S are averages of U^2 and g^2."""
    _decay(w, g, c)
    s, d = _mean_square(state, "s", g, c["rho"]), _memory(state, "d", w)
    u = g.mul_(d.add(c["eps"]).sqrt_()).div_(s.add(c["eps"]).sqrt_())
    _mean_square(state, "d", u, c["rho"])
    w.addcmul_(u, lr, value=-1)


def adam(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """W <- W - lr M / (sqrt(S) + eps), M and S the bias-corrected averages of g and g^2."""
    _decay(w, g, c)
    _adam(w, g, state, lr, c)


def adamw(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """W <- (1 - lr weight_decay) W, then Adam's step."""
    if "weight_decay" in c:
        w.mul_(1 - lr * c["weight_decay"])
    _adam(w, g, state, lr, c)


def _adam(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    state["t"] = t = state.get("t", 0) + 1
    b1, b2 = c["betas"]
    if w.shape[1] >= WIDE and w.device.type == "cpu":
        _fused_adam(w, g, state, lr, c)
        return
    m = _memory(state, "m", w).lerp_(g, 1 - b1)
    s = _mean_square(state, "s", g, b2)
    root = (1 - b2**t).sqrt()  # sqrt(S / (1 - b2^t)) + eps = (sqrt(S) + eps root) / root
    w.addcdiv_(m * (lr * root / (1 - b1**t)), _root(s).add_(c["eps"] * root), value=-1)


def _fused_adam(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """The step `state["t"]`, one lane after the other."""
    rows = zip(w, g, _memory(state, "m", w), _memory(state, "s", w), strict=True)
    constants = (values.flatten().tolist() for values in (lr, *c["betas"], c["eps"]))
    for (own, gradient, m, s), rate, b1, b2, eps in zip(rows, *constants, strict=True):
        torch_adam(
            [own],
            [gradient],
            [m],
            [s],
            [],
            [torch.tensor(float(state["t"] - 1))],
            fused=True,
            amsgrad=False,
            beta1=b1,
            beta2=b2,
            lr=rate,
            weight_decay=0.0,
            eps=eps,
            maximize=False,
        )


def rprop(w: Tensor, g: Tensor, state: State, lr: Tensor, c: Constants) -> None:
    """W <- W - d sign(g); d grows where the sign of g stays; shrinks, without a step, elsewhere."""
    (shrink, grow), (least, most) = c["etas"], c["step_sizes"]
    last = _memory(state, "last", w)
    d = state.setdefault("d", lr.expand_as(w).clone())
    agreement = last.mul_(g)
    d.mul_(torch.where(agreement > 0, grow, torch.where(agreement < 0, shrink, 1)))
    torch.minimum(torch.maximum(d, least), most, out=d)
    g.masked_fill_(agreement < 0, 0)
    last.copy_(g)
    w.addcmul_(g.sign_(), d, value=-1)


RULES: dict[type[torch.optim.Optimizer], Update] = {
    torch.optim.SGD: sgd,
    MomentumEMA: momentum_ema,
    torch.optim.Adagrad: adagrad,
    torch.optim.RMSprop: rmsprop,
    torch.optim.Adadelta: adadelta,
    torch.optim.Adam: adam,
    torch.optim.AdamW: adamw,
    torch.optim.Rprop: rprop,
}


class Rule:
    """The update rule of R lanes, with the constants of their torch optimizers.

    Args:
        optimizers: of each lane; all of one class in `RULES`.
        like: gives dtype and device.

    Raises:
        DlgbenchError: for optimizers of different classes, or of a class without a rule.
    """

    def __init__(self, optimizers: list[torch.optim.Optimizer], like: Tensor) -> None:
        kinds = {type(optimizer) for optimizer in optimizers}
        if len(kinds) != 1 or not kinds <= set(RULES):
            came = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DlgbenchError(f"lanes: expected optimizers of one class with a rule, got {came}")
        self.update = RULES[kinds.pop()]
        self.state: State = {}
        groups = [optimizer.param_groups[0] for optimizer in optimizers]
        self.constants = {
            name: _per_lane([group[name] for group in groups], name, like)
            for name, value in groups[0].items()
            if name not in ("params", "lr") and _is_constant(name, value)
            if name not in ("momentum", "weight_decay") or any(group[name] for group in groups)
        }

    def step(self, w: Tensor, g: Tensor, lr: Tensor) -> None:
        """Updates w (R, P) in place; g (R, P) is used up; lr (R, 1)."""
        self.update(w, g, self.state, lr, self.constants)

    def keep(self, lanes: list[int]) -> None:
        """Keeps some of the lanes, by their numbers."""

        def kept(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(kept, value))
            return value[lanes] if isinstance(value, Tensor) else value

        self.state = {name: kept(value) for name, value in self.state.items()}
        self.constants = {name: kept(value) for name, value in self.constants.items()}


def _is_constant(name: str, value: Any) -> bool:
    """Whether an entry of torch's parameter groups is a constant of the rule, not an option."""
    if isinstance(value, bool):
        return name in SWITCHES
    return isinstance(value, (int, float, tuple, list))


def _per_lane(values: list[Any], name: str, like: Tensor) -> Any:
    if name in SWITCHES:
        return bool(values[0])
    if isinstance(values[0], (tuple, list)):
        return tuple(_per_lane(list(parts), "", like) for parts in zip(*values, strict=True))
    return like.new_tensor(values)[:, None]


def _memory(state: State, name: str, w: Tensor) -> Tensor:
    if name not in state:
        state[name] = torch.zeros_like(w)
    memory: Tensor = state[name]
    return memory


def _mean_square(state: State, name: str, x: Tensor, a: Tensor) -> Tensor:
    """S <- a S + (1 - a) x^2; `lerp` would make inf - inf of a square that overflowed."""
    return _memory(state, name, x).mul_(a).addcmul_(x, x * (1 - a))


def _root(s: Tensor) -> Tensor:
    """sqrt(s + 1e-36): MKL takes five times as long for a 0, and every dead input leaves zeros."""
    return s.add(1e-36).sqrt_()


def _decay(w: Tensor, g: Tensor, c: Constants) -> None:
    """G <- g + weight_decay W."""
    if "weight_decay" in c:
        g.addcmul_(w, c["weight_decay"])
