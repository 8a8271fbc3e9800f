"""Noise on the features, and the average over it (slides "Dropout", "'Feature noising'", "Test time: Deterministic Approximation")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.modes import evaluating


class GaussianNoise(nn.Module):
    """y = x r with r ~ N(1, p / (1 - p)) drawn for each unit and sample in training; y = x in evaluation.

    It has dropout's mean and variance: r = Bernoulli(1 - p) / (1 - p) has mean 1 and variance p / (1 - p) too.
    Srivastava et al. 2014, section 10, where p is what is *retained* and the variance reads (1 - p) / p.

    Args:
        rate: p, the share that the dropout of equal variance drops, 0 <= p < 1.

    Raises:
        DlgbenchError: for another rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = _checked(rate)
        self.sd = math.sqrt(rate / (1 - rate))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * (1 + self.sd * torch.randn_like(x)) if self.training and self.rate else x

    def extra_repr(self) -> str:
        """What print shows."""
        return f"rate={self.rate}"


NOISES: dict[str, type[nn.Module]] = {
    "dropout": nn.Dropout,  # x r / (1 - p), r ~ Bernoulli(1 - p) for each unit. Srivastava et al. 2014
    "spatial_dropout": nn.Dropout2d,  # the same with one r for each channel of each sample, x (B, C, H, W). Tompson et al. 2015
    "gaussian": GaussianNoise,
}
STOCHASTIC = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    GaussianNoise,
)


def noise(name: str, rate: float) -> nn.Module:
    """A fresh layer that noises its input in training alone, by name. Each has mean x and, at equal `rate`, the same variance.

    Raises:
        DlgbenchError: for a name that is not in `NOISES`, or a rate outside 0 <= rate < 1.
    """
    if name not in NOISES:
        raise unknown("noise", name, NOISES)
    return NOISES[name](_checked(rate))


@torch.no_grad()
def monte_carlo(network: nn.Module, x: Tensor, samples: int) -> Tensor:
    """1/k sum_(i=1..k) softmax(z_i), z_i the logits of the i-th thinned network: what one deterministic pass approximates.

    Only the layers of `STOCHASTIC` are in training mode; batch normalization uses its running statistics, and keeps them.
    Afterwards every layer is in the mode it was in. Srivastava et al. 2014, section 7.5, where k = 50 is as good as one pass.

    Shapes: x (B, ...) -> probabilities (B, num_classes).

    Raises:
        DlgbenchError: for less than one sample.
    """
    if samples < 1:
        raise DlgbenchError(f"monte_carlo: at least 1 sample is wanted; {samples} came")
    with evaluating(network, keep=STOCHASTIC):
        mean = network(x).softmax(1)
        for _ in range(samples - 1):
            mean += network(x).softmax(1)
    return mean / samples


def _checked(rate: float) -> float:
    if not 0 <= rate < 1:
        raise DlgbenchError(f"noise: a rate of at least 0 and below 1 is wanted; {rate} came")
    return rate
