"""Dropout (slides "Dropout block", "Test time: Deterministic Approximation"; Srivastava et al. 2014, sections 4 and 10).

p is the probability with which a unit is *retained*, as in the paper and on the slides; torch's p is what is dropped, 1 - p.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError


def mask(shape: Sequence[int], p: float, generator: torch.Generator) -> Tensor:
    """r_j ~ Bernoulli(p): 1 where unit j is retained, else 0. Shapes: -> `shape`, float64.

    Raises:
        DlgbenchError: unless 0 < p <= 1.
    """
    if not 0 < p <= 1:
        raise DlgbenchError(f"dropout: a retention 0 < p <= 1 is wanted; {p} came")
    return (torch.rand(tuple(shape), generator=generator, dtype=torch.float64) < p).double()


def dropout(y: Tensor, r: Tensor) -> Tensor:
    """Training, as in the paper: y~ = r * y. Shapes: (B, ...) and the same -> the same."""
    return r * y


def dropout_backward(d_out: Tensor, r: Tensor) -> Tensor:
    """dL/dy = r * dL/dy~: what was dropped learns nothing."""
    return r * d_out


def weights_at_test(w: Tensor, p: float) -> Tensor:
    """Test time, as in the paper: the weights that *leave* a dropped-out layer are p w, the expectation of what they carried in training."""
    return p * w


def inverted_dropout(y: Tensor, r: Tensor, p: float) -> Tensor:
    """Training, as in torch: y~ = r * y / p, whose expectation is y, so that test time rescales nothing."""
    return r * y / p


def inverted_dropout_backward(d_out: Tensor, r: Tensor, p: float) -> Tensor:
    """dL/dy = r * dL/dy~ / p."""
    return r * d_out / p
