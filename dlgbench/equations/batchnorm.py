"""Batch normalization (slide "Batch Normalization"; Ioffe & Szegedy 2015, algorithms 1 and 2).

gamma and beta are a scale and a shift; the slide calls them variance and mean. Each channel has its
own statistics, over the batch and all positions.
"""

from __future__ import annotations

from torch import Tensor

from dlgbench.errors import DlgbenchError


def statistics_dims(x: Tensor) -> tuple[int, ...]:
    """The dimensions over which a channel's statistics are taken: all of (B, C, ...) except C."""
    return (0, *range(2, x.ndim))


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """A vector (C,), reshaped to broadcast over the channels of x (B, C, ...)."""
    return v.view(-1, *[1] * (x.ndim - 2))


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean mu = 1/m sum_i x_i and variance sigma^2 = 1/m sum_i (x_i - mu)^2 of each channel.

    Shapes: (B, C, ...) -> (C,), (C,).

    Raises:
        DlgbenchError: where a channel has only one value: normalized, it would always be 0.
    """
    if x.numel() // x.shape[1] < 2:
        raise DlgbenchError(
            "batch normalization: expected at least 2 values per channel, "
            f"got an input of shape {tuple(x.shape)}"
        )
    return x.mean(statistics_dims(x)), x.var(statistics_dims(x), correction=0)


def normalize(x: Tensor, mean: Tensor, variance: Tensor, eps: float = 1e-5) -> Tensor:
    """x^ = (x - mean) / sqrt(variance + eps). Shapes: (B, C, ...), (C,), (C,) -> (B, C, ...)."""
    return (x - per_channel(mean, x)) / per_channel(variance + eps, x).sqrt()


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    """Training: y = gamma x^ + beta with the batch's own mean and variance.

    Shapes: (B, C, ...), (C,), (C,) -> (B, C, ...).
    """
    return per_channel(gamma, x) * normalize(x, *statistics(x), eps) + per_channel(beta, x)


def batch_norm_backward(
    d_y: Tensor, x: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """(d_x, d_gamma, d_beta), given that mu and sigma depend on x too.

    d_gamma = sum_i d_y_i x^_i, d_beta = sum_i d_y_i, and with d_x^ = gamma d_y
    d_x = (d_x^ - mean(d_x^) - x^ mean(d_x^ x^)) / sqrt(sigma^2 + eps).
    The two terms that are subtracted are the components that shift or scale the whole batch.

    Shapes: (B, C, ...), (B, C, ...), (C,) -> (B, C, ...), (C,), (C,).
    """
    dims = statistics_dims(x)
    mean, variance = statistics(x)
    normal = normalize(x, mean, variance, eps)
    d_normal = per_channel(gamma, x) * d_y
    shift = per_channel(d_normal.mean(dims), x)
    scale = per_channel((d_normal * normal).mean(dims), x)
    d_x = (d_normal - shift - normal * scale) / per_channel(variance + eps, x).sqrt()
    return d_x, (d_y * normal).sum(dims), d_y.sum(dims)


def update_running(
    mean: Tensor, variance: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    """The running averages after a batch.

    mean <- (1 - momentum) mean + momentum mu
    variance <- (1 - momentum) variance + momentum m / (m - 1) sigma^2
    m is the number of values per channel, and m / (m - 1) sigma^2 the unbiased estimate of
    algorithm 2.

    Shapes: (C,), (C,), (B, C, ...) -> (C,), (C,).
    """
    mu, sigma2 = statistics(x)
    m = x.numel() // x.shape[1]
    new_mean = (1 - momentum) * mean + momentum * mu
    new_variance = (1 - momentum) * variance + momentum * m / (m - 1) * sigma2
    return new_mean, new_variance


def fold(
    mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Test time: (a, c) with y = a x + c, for the running mean and variance.

    Shapes: four of (C,) -> (C,), (C,).
    """
    a = gamma / (variance + eps).sqrt()
    return a, beta - a * mean


def batch_norm_inference(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5
) -> Tensor:
    """Test time: a linear function per channel, the same for each example whatever its batch.

    Shapes: (B, C, ...), four of (C,) -> (B, C, ...).
    """
    a, c = fold(mean, variance, gamma, beta, eps)
    return per_channel(a, x) * x + per_channel(c, x)
