"""Batch normalization (slide "Batch Normalization"; Ioffe & Szegedy 2015, algorithms 1 and 2).

gamma and beta are a scale and a shift; the slide calls them variance and mean. Statistics are per channel, over the batch and all places.
"""

from __future__ import annotations

from torch import Tensor

from dlgbench.errors import DlgbenchError


def over_batch(x: Tensor) -> tuple[int, ...]:
    """The dimensions that a channel's statistics run over: all of (B, C, ...) but C."""
    return (0, *range(2, x.ndim))


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """A vector (C,) so shaped that it meets the channels of x (B, C, ...)."""
    return v.view(-1, *[1] * (x.ndim - 2))


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean mu = 1/m sum_i x_i and variance sigma^2 = 1/m sum_i (x_i - mu)^2 of each channel. Shapes: (B, C, ...) -> (C,), (C,).

    Raises:
        DlgbenchError: where a channel has but one value, which would become 0 whatever it was.
    """
    if x.numel() // x.shape[1] < 2:
        raise DlgbenchError(
            f"batch normalization: at least 2 values per channel are wanted; an input of shape {tuple(x.shape)} came"
        )
    return x.mean(over_batch(x)), x.var(over_batch(x), correction=0)


def normalize(x: Tensor, mean: Tensor, variance: Tensor, eps: float = 1e-5) -> Tensor:
    """x^ = (x - mean) / sqrt(variance + eps). Shapes: (B, C, ...), (C,), (C,) -> (B, C, ...)."""
    return (x - per_channel(mean, x)) / per_channel(variance + eps, x).sqrt()


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    """Training: y = gamma x^ + beta with the batch's own mean and variance. Shapes: (B, C, ...), (C,), (C,) -> (B, C, ...)."""
    return per_channel(gamma, x) * normalize(x, *statistics(x), eps) + per_channel(beta, x)


def batch_norm_backward(
    d_y: Tensor, x: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """(d_x, d_gamma, d_beta), where mu and sigma depend on x too.

    d_gamma = sum_i d_y_i x^_i, d_beta = sum_i d_y_i, and with d_x^ = gamma d_y
    d_x = (d_x^ - mean(d_x^) - x^ mean(d_x^ x^)) / sqrt(sigma^2 + eps): what would shift or scale the whole batch is taken off.
    """
    mean, variance = statistics(x)
    normal = normalize(x, mean, variance, eps)
    d_normal = per_channel(gamma, x) * d_y
    shift = per_channel(d_normal.mean(over_batch(x)), x)
    scale = per_channel((d_normal * normal).mean(over_batch(x)), x)
    d_x = (d_normal - shift - normal * scale) / per_channel(variance + eps, x).sqrt()
    return d_x, (d_y * normal).sum(over_batch(x)), d_y.sum(over_batch(x))


def running(
    mean: Tensor, variance: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    """The running averages after a batch: mean <- (1 - momentum) mean + momentum mu, and so the variance, with m / (m - 1) sigma^2.

    m is the number of values per channel: algorithm 2's unbiased estimate. Shapes: (C,), (C,), (B, C, ...) -> (C,), (C,).
    """
    mu, sigma2 = statistics(x)
    m = x.numel() // x.shape[1]
    return (1 - momentum) * mean + momentum * mu, (1 - momentum) * variance + momentum * m / (
        m - 1
    ) * sigma2


def folded(
    mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Test time: (a, c) with y = a x + c, for the running mean and variance. Shapes: four of (C,) -> (C,), (C,)."""
    a = gamma / (variance + eps).sqrt()
    return a, beta - a * mean


def batch_norm_inference(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5
) -> Tensor:
    """Test time: a line per channel, the same for each example whatever its batch. Shapes: (B, C, ...), four of (C,) -> (B, C, ...)."""
    a, c = folded(mean, variance, gamma, beta, eps)
    return per_channel(a, x) * x + per_channel(c, x)
