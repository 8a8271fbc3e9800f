"""Noise on the features during training, and predictions averaged over it.

Slides "Dropout", "'Feature noising'", "Test time: Deterministic Approximation".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.draws import Draws
from dlgbench.layers.modes import evaluating
from dlgbench.streams import stream_seed


class Dropout(nn.Dropout):
    """nn.Dropout, which draws from `draws` once `seed_noise` has given it some."""

    draws: Draws | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if self.draws is None or not self.training or not self.p:
            return super().forward(x)
        return x * _kept(self.draws, self.p, x, x.shape)


class SpatialDropout(nn.Dropout2d):
    """nn.Dropout2d, which draws from `draws` once `seed_noise` has given it some."""

    draws: Draws | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same; one r for each channel of each sample."""
        if self.draws is None or not self.training or not self.p:
            return super().forward(x)
        return x * _kept(self.draws, self.p, x, x.shape[:2])[:, :, None, None]


class GaussianNoise(nn.Module):
    """y = x r with r ~ N(1, p / (1 - p)), drawn for each unit and sample in training.

    In evaluation y = x. The mean and variance of r are those of dropout, whose
    r = Bernoulli(1 - p) / (1 - p) has mean 1 and variance p / (1 - p) too. Srivastava et al. 2014,
    section 10, where p is the probability to *retain* a unit and the variance reads (1 - p) / p.

    Args:
        rate: p, the share that dropout of the same variance drops, 0 <= p < 1.

    Raises:
        DlgbenchError: for any other rate.
    """

    draws: Draws | None = None

    def __init__(self, rate: float) -> None:
        super().__init__()
        _check_rate(rate)
        self.rate = rate
        self.sd = math.sqrt(rate / (1 - rate))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if not self.training or not self.rate:
            return x
        normal = self.draws.normal(x.shape, x)[0] if self.draws else torch.randn_like(x)
        return x * (1 + self.sd * normal)

    def extra_repr(self) -> str:
        """What print shows."""
        return f"rate={self.rate}"


NOISES: dict[str, type[nn.Module]] = {
    # x r / (1 - p), r ~ Bernoulli(1 - p) for each unit. Srivastava et al. 2014.
    "dropout": Dropout,
    # The same with one r for each channel of each sample, x (B, C, H, W). Tompson et al. 2015.
    "spatial_dropout": SpatialDropout,
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
    """A new layer by name, which adds noise to its input in training only.

    The output of each has mean x, and all have the same variance at equal `rate`.

    Raises:
        DlgbenchError: for a name that is not in `NOISES`, or a rate outside 0 <= rate < 1.
    """
    if name not in NOISES:
        raise unknown("noise", name, NOISES)
    _check_rate(rate)
    return NOISES[name](rate)


def seed_noise(network: nn.Module, seed: int, random_stream: int = 0) -> None:
    """Gives each layer with `draws` its own: those of the k-th depend on the stream `noise/k`.

    From then on its noise depends on the seed, on k, and on how often it was called in training,
    and on nothing else. Other layers draw from torch's global generator.
    """
    layers: list[Any] = [layer for layer in network.modules() if hasattr(layer, "draws")]
    for k, layer in enumerate(layers):
        layer.draws = Draws([stream_seed(seed, f"noise/{k}", random_stream)])


@torch.no_grad()
def monte_carlo(network: nn.Module, x: Tensor, samples: int) -> Tensor:
    """1/k sum_(i=1..k) softmax(z_i), where z_i are the logits of the i-th thinned network.

    This is the average that one deterministic pass approximates. Only the layers of `STOCHASTIC`
    are in training mode. Batch normalization uses its running statistics and leaves them unchanged.
    Afterwards every layer is in its previous mode. Srivastava et al. 2014, section 7.5, where
    k = 50 is as good as one deterministic pass.

    Shapes: x (B, ...) -> probabilities (B, num_classes).

    Raises:
        DlgbenchError: for fewer than one sample.
    """
    if samples < 1:
        raise DlgbenchError(f"monte_carlo: expected at least 1 sample, got {samples}")
    with evaluating(network, keep=STOCHASTIC):
        mean = network(x).softmax(1)
        for _ in range(samples - 1):
            mean += network(x).softmax(1)
    return mean / samples


def _kept(draws: Draws, rate: float, x: Tensor, shape: Sequence[int]) -> Tensor:
    """Dropout's factors (`Draws.kept`) for one network, in x's type."""
    wide = torch.promote_types(x.dtype, torch.float32)
    return draws.kept(x.new_tensor([rate], dtype=wide), shape)[0].to(x.dtype)


def _check_rate(rate: float) -> None:
    if not 0 <= rate < 1:
        raise DlgbenchError(f"noise: expected a rate of at least 0 and below 1, got {rate}")
