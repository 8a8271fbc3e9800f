"""Standardized patches, and batch normalization that is made unstable on purpose.

Slides "Whitening", "Internal Covariate Shift".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgbench.errors import unknown
from dlgbench.layers.draws import Draws


class StandardizePatch(nn.Module):
    """y = (x - mean) / (sd + eps), with the mean and sd of the whole patch.

    The output is unchanged by I -> a I + b for a > 0, and negated for a < 0. Slide ""Whitening":
    Set Mean = 0, Variance = 1". What the slide shows is standardization; whitening would also
    decorrelate the pixels. As on the slide, the variance divides by N. Because of eps a constant
    patch becomes 0, and the output is invariant only up to a relative error of about eps / sd times
    |1 - 1 / a|.

    Shapes: (B, C, H, W) -> the same; each sample has its own mean and sd, over C, H and W.

    Args:
        mode: `standardize`; `mean`, which only subtracts the mean, so that the output is unchanged
            by b and scaled by a; `none`, the control.
        eps: see above.

    Raises:
        DlgbenchError: for an unknown mode.
    """

    MODES = ("none", "mean", "standardize")

    def __init__(self, mode: str = "standardize", eps: float = 1e-6) -> None:
        super().__init__()
        if mode not in self.MODES:
            raise unknown("mode of StandardizePatch", mode, self.MODES)
        self.mode, self.eps = mode, eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if self.mode == "none":
            return x
        centred = x - x.mean((1, 2, 3), keepdim=True)
        if self.mode == "mean":
            return centred
        return centred / (centred.square().mean((1, 2, 3), keepdim=True).sqrt() + self.eps)

    def extra_repr(self) -> str:
        """What print shows."""
        return f"{self.mode}, eps={self.eps}"


class CovariateShift(nn.Module):
    """s x + m in training: each unit is shifted and scaled at random, anew at every step.

    In evaluation the output is x.

    For each unit j and step: mu_j ~ U(-shift, shift), sigma_j ~ U(1, scale).
    For each sample i and activation of unit j: m_ij ~ U(mu_j - jitter, mu_j + jitter),
    s_ij ~ N(sigma_j, jitter^2).
    Santurkar et al. 2018, NeurIPS, section 2.1 and Algorithm 1 of the appendix, with their
    constants.

    Shapes: (B, C, ...) -> the same. A unit is one of the C `channels`; each of its pixels is an
    activation.
    """

    draws: Draws | None = None

    def __init__(
        self, channels: int, *, shift: float = 0.5, scale: float = 1.25, jitter: float = 0.1
    ) -> None:
        super().__init__()
        self.channels, self.shift, self.scale, self.jitter = channels, shift, scale, jitter

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C, ...)."""
        if not self.training:
            return x
        draws = self.draws or Draws([int(torch.randint(2**62, ()))])
        return self.shifted(x.movedim(1, -1)[None], draws)[0].movedim(-1, 1)

    def shifted(self, x: Tensor, draws: Draws) -> Tensor:
        """S x + m for R lanes, (R, B, ..., C) -> the same."""
        unit, each = (self.channels,), x.shape[1:]
        lanes = (-1, *[1] * (x.dim() - 2), self.channels)
        mu = self.shift * draws.uniform(unit, x)
        sigma = 1 + (self.scale - 1) * (draws.uniform(unit, x) + 1) / 2
        m = mu.view(lanes) + self.jitter * draws.uniform(each, x)
        s = sigma.view(lanes) + self.jitter * draws.normal(each, x)
        return s * x + m

    def extra_repr(self) -> str:
        """What print shows."""
        return f"{self.channels}, shift={self.shift}, scale={self.scale}, jitter={self.jitter}"


class NoisyBatchNorm1d(nn.Sequential):
    """Batch normalization, then `CovariateShift`, which makes the distribution unstable again.

    Normalization is said to remove such a shift; here it is put back anew at every training step.
    With shift 0, scale 1 and jitter 0, and always in evaluation, the layer is nn.BatchNorm1d.

    Shapes: (B, C) or (B, C, L) -> the same.
    """

    def __init__(self, channels: int, **noise: float) -> None:
        super().__init__(nn.BatchNorm1d(channels), CovariateShift(channels, **noise))


class NoisyBatchNorm2d(nn.Sequential):
    """`NoisyBatchNorm1d` for images. Shapes: (B, C, H, W) -> the same."""

    def __init__(self, channels: int, **noise: float) -> None:
        super().__init__(nn.BatchNorm2d(channels), CovariateShift(channels, **noise))
