"""Two minima of one loss, reached from two initializations.

Slide "Multiple Local Minima, based on initialization"; Goodfellow et al. 2015, ICLR.
"""

from __future__ import annotations

import copy
import itertools
import math

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject

POINTS = 21


def minima(subject: Subject) -> Measurement:
    """The network a against b, which is trained alike from other initial weights.

    Measured are how far their test errors are apart, and the loss between them. The curve is the
    loss on the straight line of weights (1 - t) a + t b for 21 values of t from 0 to 1. The barrier
    is its largest height above the line that joins its ends,
    max_t L(t) - (1 - t) L(0) - t L(1): 0 where no hill lies between the two. Units can be permuted
    without a change of the function, so a hill on the straight line says nothing about other paths;
    and mixed running statistics of batch normalization make a hill of their own. Where one of the
    two diverged, all metrics are nan: not known.

    Raises:
        DlgbenchError: for a network that is not trained, or outputs other than class scores (B, K).
    """
    x, y = subject.data("minima")
    if subject.train_sibling is None:
        raise DlgbenchError(
            "probe minima: expected a recipe that trains, since two trainings are compared, "
            "got steps=0"
        )
    return _compare(subject, subject.network, subject.train_sibling(), x, y)


@torch.no_grad()
def _compare(subject: Subject, a: nn.Module, b: nn.Module, x: Tensor, y: Tensor) -> Measurement:
    between = copy.deepcopy(a)
    scores = [network.eval()(x) for network in (a, b)]
    if scores[0].dim() != 2 or y.dim() != 1:
        raise DlgbenchError(
            "probe minima: expected class scores (B, K) and one class for each, "
            f"got shapes {tuple(scores[0].shape)} and {tuple(y.shape)}"
        )
    classes = [z.argmax(1) for z in scores]
    errors = [float((predicted != y).double().mean()) for predicted in classes]
    t = torch.linspace(0, 1, POINTS, dtype=torch.float64)
    losses = torch.tensor(
        [float(subject.loss(_mix(between, a, b, float(part)).eval()(x), y)) for part in t],
        dtype=torch.float64,
    )
    metrics = {
        "minima/gap": abs(errors[0] - errors[1]),
        "minima/disagreement": float((classes[0] != classes[1]).double().mean()),
        "minima/barrier": float((losses - torch.lerp(losses[0], losses[-1], t)).max()),
    }
    if not losses[[0, -1]].isfinite().all():
        metrics = dict.fromkeys(metrics, math.nan)
    return Measurement(metrics, {"minima/path": losses.tolist()})


def _mix(into: nn.Module, a: nn.Module, b: nn.Module, t: float) -> nn.Module:
    """`into` with the weights, and running statistics, (1 - t) a + t b."""

    def tensors(network: nn.Module) -> list[Tensor]:
        both = itertools.chain(network.parameters(), network.buffers())
        return [tensor for tensor in both if tensor.is_floating_point()]

    for mixed, start, end in zip(tensors(into), tensors(a), tensors(b), strict=True):
        mixed.copy_(torch.lerp(start, end, t))
    return into
