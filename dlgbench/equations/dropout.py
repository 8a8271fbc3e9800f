"""Dropout (Srivastava et al. 2014, sections 4 and 10).

Slides "Dropout block", "Test time: Deterministic Approximation". p is the probability to *retain* a
unit, as in the paper and on the slides; torch's p is the probability to drop it, 1 - p.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError


def mask(shape: Sequence[int], p: float, generator: torch.Generator) -> Tensor:
    """r_j ~ Bernoulli(p): 1 where unit j is retained, else 0; of `shape`, in float64.

    Raises:
        DlgbenchError: unless 0 < p <= 1.
    """
    if not 0 < p <= 1:
        raise DlgbenchError(f"dropout: expected a probability to retain 0 < p <= 1, got {p}")
    return (torch.rand(tuple(shape), generator=generator, dtype=torch.float64) < p).double()


def dropout(y: Tensor, r: Tensor) -> Tensor:
    """Training, as in the paper: y~ = r * y. Shapes: (B, ...) and the same -> the same."""
    return r * y


def dropout_backward(d_out: Tensor, r: Tensor) -> Tensor:
    """dL/dy = r * dL/dy~: a unit that was dropped gets no gradient."""
    return r * d_out


def weights_at_test(w: Tensor, p: float) -> Tensor:
    """Test time, as in the paper: p w for the weights w of the layer that *follows* the dropout.

    So each unit contributes what it contributed in training on average.
    """
    return p * w


def inverted_dropout(y: Tensor, r: Tensor, p: float) -> Tensor:
    """Training, as in torch: y~ = r * y / p.

    Its expectation is y, so nothing is rescaled at test time.
    """
    return r * y / p


def inverted_dropout_backward(d_out: Tensor, r: Tensor, p: float) -> Tensor:
    """dL/dy = r * dL/dy~ / p."""
    return r * d_out / p
