"""The patch of the input that an output unit depends on (slides "Pooling layer: receptive field size", "Receptive field arithmetic")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted
from dlgbench.probes.rules import POINTWISE
from dlgbench.probes.subject import Figures, Subject
from dlgbench.probes.tracing import Trunk, trunk

RUNS = 20  # random inputs of an effective field, Luo's number
TAIL = 1 - 0.9545  # of a Gaussian, outside two standard deviations
PICTURE = 32  # largest side of the picture of an effective field


def field(
    network: nn.Module, input_shape: Sequence[int] | None = None
) -> tuple[int, Fraction] | None:
    """(r, j) of the last feature map: the side of the square of pixels that a unit depends on, and the pixels between two neighbours.

    Windows of k taps, d apart, with stride s, in turn: r += (k - 1) d j, then j *= s, from r = j = 1; so a convolution K, then a pooling P of
    stride 1, give the slides' P + K - 1. Branches give the union of what they see. Where a map is up-sampled, j /= s, units differ in what
    they see, and r is the largest. It is the last map before Flatten, or adaptive or global pooling, as is usual: 195 for AlexNet.
    None where there is no feature map, as in an MLP. Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", Distill.

    Args:
        network: on any device; its weights don't matter.
        input_shape: (C, H, W); has to be given where sides of 512 don't fit the network, as U-Net's without padding.

    Raises:
        DlgbenchError: for a network that can't be traced, a step in it that is not known, or a field that is not square.
    """
    shape = input_shape or _any_shape(network)
    found = trunk(network, shape) if shape else None
    return None if found is None else _square(found)


def arithmetic(
    network: nn.Module, input_shape: Sequence[int] | None = None
) -> tuple[int, Fraction]:
    """`field`, of a network that has one.

    Raises:
        DlgbenchError: where it has none, and as `field`.
    """
    if (found := field(network, input_shape)) is None:
        raise DlgbenchError(
            f"receptive field: a network with windows over an image is wanted; {type(network).__name__} came"
        )
    return found


def _any_shape(network: nn.Module) -> tuple[int, int, int] | None:
    """Of images that a network may begin with, their sides a power of two; None where it doesn't begin with a convolution."""
    channels = getattr(next(iter(weighted(network)), None), "in_channels", None)
    return None if channels is None else (channels, 512, 512)


def _square(found: Trunk) -> tuple[int, Fraction]:
    if (found.rows.field, found.rows.jump) != (found.columns.field, found.columns.jump):
        raise DlgbenchError(
            f"receptive field: square windows are wanted; a field of {found.rows.field} rows and {found.columns.field} columns came"
        )
    return found.rows.field, found.rows.jump


def _trunk(subject: Subject) -> Trunk:
    found = trunk(subject.network, subject.input_shape)
    if found is None:
        raise DlgbenchError(
            f"receptive field: a network with windows over an image is wanted; {type(subject.network).__name__} came"
        )
    return found


def _wide(found: Trunk, input_shape: Sequence[int]) -> tuple[int, int, int]:
    """The shape of an image that has the field of its middle unit within it, and fits the network as `input_shape` does."""
    channels, *sides = input_shape
    shift = found.rows.shift
    height, width = (
        side + shift * math.ceil((found.rows.field + 2 * shift - side) / shift) for side in sides
    )
    return channels, height, width


def gradient_mask(network: nn.Module, input_shape: Sequence[int], units: int = 1) -> Tensor:
    """Which inputs of an image the output's middle unit, and those diagonally after it, depend on: d out / d x != 0, (units, H, W) of bool.

    The network is made linear and positive, so that nothing cancels and no unit is dead: weights are drawn from 1/2 to 3/2 over fan_in; what
    acts on units alone is read as the identity; a max-pooling as the average over its window, which depends on the same pixels.
    """
    _positive(network)
    x = torch.ones(
        1,
        *input_shape,
        dtype=torch.float64,
        device=next(network.parameters()).device,
        requires_grad=True,
    )
    y = network(x)
    diagonal = (
        y[0, :, y.shape[2] // 2 + unit, y.shape[3] // 2 + unit].sum() for unit in range(units)
    )
    return torch.stack(
        [torch.autograd.grad(out, x, retain_graph=True)[0][0].sum(0) != 0 for out in diagonal]
    )


@torch.no_grad()
def _positive(network: nn.Module) -> None:
    network.double().eval()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(parent, name, _average(child))
            elif isinstance(child, POINTWISE):
                setattr(parent, name, nn.Identity())
    for module in weighted(network):
        module.weight.uniform_(0.5, 1.5).div_(module.weight[0].numel())
        if module.bias is not None:
            module.bias.zero_()


def _average(pool: nn.MaxPool2d) -> nn.AvgPool2d:
    if pool.dilation not in (1, (1, 1)):
        raise DlgbenchError(
            f"receptive field: a max-pooling without dilation is wanted; {pool} came"
        )
    return nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)


def measure(subject: Subject) -> Figures:
    """The field by gradient and by arithmetic, and the jump: 1 is full resolution.

    By gradient it is the longest side over one period of units; up-sampling makes the period longer than one.
    """
    found = _trunk(subject)
    expected, jump = _square(found)
    masks = gradient_mask(found.network, _wide(found, subject.input_shape), found.rows.period)
    ends = [
        (int(rows.min()), int(rows.max())) for rows in (mask.any(1).nonzero() for mask in masks)
    ]
    side = max(last - first + 1 for first, last in ends)
    return {
        "receptive_field": side,
        "receptive_field/arithmetic": expected,
        "receptive_field/stride": float(jump),
    }, {}


def effective_field(subject: Subject) -> Figures:
    """How much of the field matters: where the mean of |dy / dx| is above 4.55 % of its largest, y the middle unit of the last feature map.

    4.55 % is what a Gaussian has outside two standard deviations. With A such pixels the figures are sqrt(A), the side of a square of as many, in
    pixels, and sqrt(A) / r, r the theoretical field. y is the sum over the map's channels, x ~ N(0, 1), the mean over 20 inputs and the
    absolute values of all input channels; the weights are the network's own, in evaluation mode.
    The curve is the picture of the mean over the field, row by row, 1 at its largest; where the field is larger than 32, its mean over 32x32 cells.
    Luo, Li, Urtasun & Zemel 2016, "Understanding the effective receptive field in deep convolutional neural networks", NIPS, sections 3 and 4.
    """
    found = _trunk(subject)
    expected, _ = _square(found)
    device = next(found.network.parameters()).device
    total = torch.zeros((), device=device)
    for _ in range(RUNS):
        x = torch.randn(1, *_wide(found, subject.input_shape)).to(device).requires_grad_()
        y = found.network(x)
        total = total + torch.autograd.grad(y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum(), x)[0][
            0
        ].abs().sum(0)
    rows, columns = (
        axis.at(side // 2)
        for axis, side in zip((found.rows, found.columns), y.shape[2:], strict=True)
    )
    patch = total[int(rows[0]) : int(rows[1]) + 1, int(columns[0]) : int(columns[1]) + 1]
    area = int((patch > TAIL * patch.max()).sum())
    picture = F.adaptive_avg_pool2d(patch[None], min(*patch.shape, PICTURE))[0]
    figures = {
        "effective_field": math.sqrt(area),
        "effective_field/share": math.sqrt(area) / expected,
        "effective_field/picture": float(len(picture)),
    }
    return figures, {
        "effective_field/map": (picture / picture.max().clamp_min(1e-30)).flatten().tolist()
    } if subject.pictures else {}
