"""R networks of one architecture as one: each layer computes all lanes with one product.

x has shape (R, B, ...) here: lanes, rows of a minibatch, and the shape of a row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import Step
from dlgbench.layers.draws import Draws
from dlgbench.layers.noise import Dropout, GaussianNoise
from dlgbench.layers.normalization import CovariateShift, NoisyBatchNorm1d, StandardizePatch
from dlgbench.models.mlp import Residual
from dlgbench.registry import ACTIVATIONS

Layer = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]  # of `dlgbench.lanes.losses`
VECTOR = 16  # numbers of 32 bits in 64 bytes, the longest vector of a processor (AVX-512)
ALIGNED = 64  # numbers; the weights of each layer begin at a multiple of 256 bytes


class Stack:
    """R networks in training mode.

    Their parameters become views of `weights`: each network is trained by what trains the stack,
    and can be evaluated by itself at any time.

    Args:
        networks: R networks with equal layers, of the classes in `FORMS` and activations.

    Attributes:
        weights: (R, P), the parameters of each lane in a row.

    Raises:
        DlgbenchError: for a layer without a stacked form.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self.networks = list(networks)
        parameters = [list(network.parameters()) for network in networks]
        ends = itertools.accumulate(-(-p.numel() // ALIGNED) * ALIGNED for p in parameters[0])
        places = list(itertools.pairwise((0, *ends)))
        self.weights = parameters[0][0].new_zeros(len(networks), places[-1][1])
        self.gradient = torch.zeros_like(self.weights)
        self._leaves: dict[int, Tensor] = {}  # (R, *shape), by the parameter of the first lane
        for (start, _), each in zip(places, zip(*parameters, strict=True), strict=True):
            row, shape = slice(start, start + each[0].numel()), each[0].shape
            for parameter, own in zip(each, self.weights[:, row], strict=True):
                own.copy_(parameter.data.flatten())
                parameter.data = own.view(shape)
            leaf = self.weights[:, row].unflatten(1, shape).detach().requires_grad_()
            leaf.grad = self.gradient[:, row].unflatten(1, shape)
            self._leaves[id(each[0])] = leaf
        self._noise: list[tuple[Draws, list[Any]]] = []
        self.forward = self._layer(networks)

    def step(self, loss: Loss, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The losses (R,) of a minibatch, and their gradients (R, P), overwritten next time.

        The sum of the losses is differentiated: lanes share no weights, so each gets its own
        gradient.
        """
        losses = loss(self.forward(x), y)
        losses.sum().backward()
        return losses.detach(), self.gradient

    @torch.no_grad()
    def constrain(self, most: Tensor) -> None:
        """Max-norm (`dlgbench.tasks.optimization.constrain`), for each lane its own `most` (R,)."""
        for leaf in self._leaves.values():
            if leaf.dim() == 3:
                norms = torch.linalg.vector_norm(leaf, dim=2, keepdim=True)
                limit = most[:, None, None]
                leaf.mul_(torch.where(norms > limit, limit / (norms + 1e-7), 1))

    def release(self) -> None:
        """Tells each network how often its noise was drawn, for whoever goes on with it."""
        for draws, layers in self._noise:
            for layer in layers:
                layer.draws.passes = draws.passes

    # layers: each gets its module in all lanes ----------------------------------------------------

    def _layer(self, modules: Sequence[nn.Module]) -> Layer:
        first = modules[0]
        if type(first) in FORMS:
            layer: Layer = getattr(self, FORMS[type(first)])(modules)
            return layer
        if isinstance(first, EXACT):
            return first
        if any(type(first) is part.make for part in ACTIVATIONS.values()):
            return self._rounded(first)
        raise DlgbenchError(f"lanes: expected a layer of an MLP, got {type(first).__name__}")

    def _rounded(self, activation: nn.Module) -> Layer:
        """An activation function whose last bit differs between torch's vectors and their rest.

        Where a lane is no multiple of two vectors, it is filled up, so that no lane has a rest.
        """

        def forward(x: Tensor) -> Tensor:
            count = x.shape[1:].numel()
            if not count % (2 * VECTOR):
                return activation(x)
            filled = F.pad(x.flatten(1), (0, -count % (2 * VECTOR)))
            return activation(filled)[:, :count].view(x.shape)

        return forward

    def _sequential(self, modules: Sequence[Any]) -> Layer:
        layers = [self._layer(each) for each in zip(*modules, strict=True)]

        def forward(x: Tensor) -> Tensor:
            for layer in layers:
                x = layer(x)
            return x

        return forward

    def _residual(self, modules: Sequence[Any]) -> Layer:
        branch = self._sequential([module.branch for module in modules])
        return lambda x: x + branch(x)

    def _linear(self, modules: Sequence[Any]) -> Layer:
        w, b = self._leaves[id(modules[0].weight)], self._leaves[id(modules[0].bias)]
        return lambda x: _Linear.apply(x, w, b)

    def _batch_norm(self, modules: Sequence[Any]) -> Layer:
        """One batch normalization of R C channels: (R, B, C) as (B, R C).

        C is filled up to a multiple of a processor's vector: torch computes the rest of a row in
        another order than the vectors, so that a lane's result would depend on R.
        """
        first, lanes = modules[0], len(modules)
        gap = -first.num_features % VECTOR
        mean, var = (self._shared(modules, name, gap) for name in ("running_mean", "running_var"))
        seen = self._shared(modules, "num_batches_tracked")
        weight, bias = self._leaves[id(first.weight)], self._leaves[id(first.bias)]

        def forward(x: Tensor) -> Tensor:
            seen.add_(1)
            y = F.batch_norm(
                _Interleaved.apply(x, gap),
                mean.view(-1),
                var.view(-1),
                _Filled.apply(weight, gap),
                _Filled.apply(bias, gap),
                training=True,
                momentum=first.momentum,
                eps=first.eps,
            )
            return _Separated.apply(y, lanes, gap)

        return forward

    def _shared(self, modules: Sequence[Any], name: str, gap: int = 0) -> Tensor:
        """A buffer of all lanes as one tensor, of which the modules' buffers become views."""
        shared = torch.stack([getattr(module, name) for module in modules])
        shared = F.pad(shared, (0, gap)) if gap else shared
        for module, own in zip(modules, shared, strict=True):
            setattr(module, name, own[: len(own) - gap] if gap else own)
        return shared

    def _draws(self, modules: Sequence[Any]) -> Draws:
        draws = Draws.merged([module.draws for module in modules])
        self._noise.append((draws, list(modules)))
        return draws

    def _dropout(self, modules: Sequence[Any]) -> Layer:
        draws, rates = self._draws(modules), self.weights.new_tensor([m.p for m in modules])
        return lambda x: x * draws.kept(rates, x.shape[1:])

    def _gaussian(self, modules: Sequence[Any]) -> Layer:
        draws, sd = self._draws(modules), self.weights.new_tensor([m.sd for m in modules])

        def forward(x: Tensor) -> Tensor:
            scale = sd.view(-1, *[1] * (x.dim() - 1))
            return x * (1 + scale * draws.normal(x.shape[1:], x))

        return forward

    def _shift(self, modules: Sequence[Any]) -> Layer:
        draws, first = self._draws(modules), modules[0]
        return lambda x: first.shifted(x, draws)

    def _patch(self, modules: Sequence[Any]) -> Layer:
        first = modules[0]  # each row by itself
        return lambda x: first(x.flatten(0, 1)).view(x.shape)

    def _flatten(self, _: Sequence[Any]) -> Layer:
        return lambda x: x.flatten(2)


class _Linear(torch.autograd.Function):
    """x w^T + b for each lane: x (R, B, in), w (R, out, in), b (R, out) -> (R, B, out).

    The gradients of w and b are written into `w.grad` and `b.grad`, without a copy. Each matrix
    begins at a multiple of 64 bytes: elsewhere MKL would round otherwise, and a lane's result would
    depend on its place.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        x = _aligned(x)
        ctx.save_for_backward(x, w)
        ctx.gradients = w.grad, b.grad
        if _is_vector(x, w):
            x, w, b = _twice(x), _twice(w), b.repeat(2, 1)
        lanes, rows, _ = x.shape
        z = torch.baddbmm(b[:, None], x, w.mT, out=_room(x, lanes, rows, w.shape[1]))
        return z[: len(ctx.gradients[0])]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        (x, w), (d_w, d_b), d = ctx.saved_tensors, ctx.gradients, _aligned(gradients[0])
        own = len(d)
        torch.sum(d, 1, out=d_b)
        if _is_vector(x, w):
            x, w, d = _twice(x), _twice(w), _twice(d)
            apart = w.new_empty(2, w[0].numel() + ALIGNED)  # as two lanes' d_w lie: not in a row
            two = apart[:, : w[0].numel()].view(w.shape)
            d_w.copy_(torch.bmm(d.mT, x, out=two)[:own])
        else:
            torch.bmm(d.mT, x, out=d_w)
        if not ctx.needs_input_grad[0]:
            return None, None, None
        lanes, rows, inputs = x.shape
        return torch.bmm(d, w, out=_room(x, lanes, rows, inputs))[:own], None, None


def _is_vector(x: Tensor, w: Tensor) -> bool:
    """Whether a lane is alone and its product is one with a vector.

    For one such product torch takes another kernel than for several, so that a lane's result would
    depend on its company: it is computed twice instead.
    """
    return len(x) == 1 and 1 in (*x.shape[1:], *w.shape[1:])


def _twice(x: Tensor) -> Tensor:
    return _aligned(x.repeat(2, 1, 1))


def _room(like: Tensor, lanes: int, rows: int, columns: int) -> Tensor:
    """Uninitialized (lanes, rows, columns); each lane begins at a multiple of 64 bytes."""
    size = rows * columns
    room = like.new_empty(lanes, size + -size % VECTOR)
    return room[:, :size].view(lanes, rows, columns)


def _aligned(x: Tensor) -> Tensor:
    """X (R, B, C), or a copy of it where a lane does not begin at a multiple of 64 bytes."""
    if x.is_contiguous() and not x.shape[1:].numel() % VECTOR:
        return x
    lanes, rows, columns = x.shape
    return _room(x, lanes, rows, columns).copy_(x)


def _interleave(x: Tensor, gap: int) -> Tensor:
    """(R, B, C) -> (B, R (C + gap)), with zeros in the gaps."""
    lanes, rows, channels = x.shape
    if not gap:
        return x.transpose(0, 1).flatten(1)
    flat = x.new_zeros(rows, lanes, channels + gap)
    flat[..., :channels] = x.transpose(0, 1)
    return flat.flatten(1)


def _separate(flat: Tensor, lanes: int, gap: int) -> Tensor:
    """The inverse of `_interleave`."""
    x = flat.unflatten(1, (lanes, -1)).transpose(0, 1)
    return x[..., : x.shape[2] - gap].contiguous()


class _Filled(torch.autograd.Function):
    """(R, C) -> (R (C + gap),), with zeros in the gaps; the gradient is written into `w.grad`."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, gap: int) -> Tensor:
        ctx.gradient = w.grad
        return (F.pad(w, (0, gap)) if gap else w).flatten()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        lanes, channels = ctx.gradient.shape
        ctx.gradient.copy_(gradients[0].view(lanes, -1)[:, :channels])
        return None, None


class _Interleaved(torch.autograd.Function):
    """`_interleave`; its gradient is contiguous, so that sums over it do not depend on R."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gap: int) -> Tensor:
        ctx.layout = len(x), gap
        return _interleave(x, gap)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _separate(gradients[0], *ctx.layout), None


class _Separated(torch.autograd.Function):
    """`_separate`."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, lanes: int, gap: int) -> Tensor:
        ctx.gap = gap
        return _separate(flat, lanes, gap)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _interleave(gradients[0], ctx.gap), None, None


EXACT = (nn.Identity, nn.ReLU, nn.LeakyReLU, Step)  # have no rounding, or none that varies
FORMS: dict[type[nn.Module], str] = {  # the method that makes a layer of these
    nn.Sequential: "_sequential",
    NoisyBatchNorm1d: "_sequential",
    Residual: "_residual",
    nn.Linear: "_linear",
    nn.BatchNorm1d: "_batch_norm",
    Dropout: "_dropout",
    GaussianNoise: "_gaussian",
    CovariateShift: "_shift",
    StandardizePatch: "_patch",
    nn.Flatten: "_flatten",
}
