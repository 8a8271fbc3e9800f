"""The patch of the input that an output unit depends on.

Slides "Pooling layer: receptive field size", "Receptive field arithmetic".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted
from dlgbench.probes.rules import is_pointwise
from dlgbench.probes.subject import Measurement, Subject, to_array
from dlgbench.probes.tracing import Trunk, trunk

RUNS = 20  # random inputs of an effective field, Luo's number
TAIL = 1 - 0.9545  # of a Gaussian, outside two standard deviations
PICTURE = 32  # largest side of the map of an effective field


def field(
    network: nn.Module, input_shape: Sequence[int] | None = None
) -> tuple[int, Fraction] | None:
    """(r, j) of the last feature map; None where a unit of the last map sees the whole image.

    That is so in an MLP, which has no map, and in a decoder of a code: the linear layers before it
    have seen everything, however little the encoder's last map sees.

    r is the side of the square of pixels that a unit depends on, and j the number of pixels between
    two neighbours. Windows of k taps, d apart, with stride s, in turn: r += (k - 1) d j, then
    j *= s, from r = j = 1; so a convolution K, then a pooling P of stride 1, give the slides'
    P + K - 1. Parallel branches give the union of what they see. Where a map is up-sampled, j /= s,
    units differ in what they see, and r is the largest. The map is the last one before Flatten, or
    adaptive or global pooling, as is usual: 195 for AlexNet.

    Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks",
    Distill.

    Args:
        network: on any device; its weights don't matter.
        input_shape: (C, H, W); has to be given where sides of 512 don't fit the network, as U-Net's
            without padding.

    Raises:
        DlgbenchError: for a network that can't be traced, a step in it that is not known, or a
            field that is not square.
    """
    shape = input_shape or _any_shape(network)
    traced = trunk(network, shape) if shape else None
    return None if traced is None else _square(traced)


def arithmetic(
    network: nn.Module, input_shape: Sequence[int] | None = None
) -> tuple[int, Fraction]:
    """`field`, of a network that has one.

    Raises:
        DlgbenchError: where it has none, and as `field`.
    """
    result = field(network, input_shape)
    if result is None:
        raise _without_windows(network)
    return result


def _without_windows(network: nn.Module) -> DlgbenchError:
    return DlgbenchError(
        "receptive field: expected a network with windows over an image, none of them after a "
        f"linear layer, got {type(network).__name__}"
    )


def _any_shape(network: nn.Module) -> tuple[int, int, int] | None:
    """A shape (C, 512, 512) of inputs; None where the network doesn't begin with a convolution."""
    channels = getattr(next(iter(weighted(network)), None), "in_channels", None)
    return None if channels is None else (channels, 512, 512)


def _square(traced: Trunk) -> tuple[int, Fraction]:
    rows, columns = traced.rows, traced.columns
    if (rows.field, rows.jump) != (columns.field, columns.jump):
        raise DlgbenchError(
            "receptive field: expected square windows, "
            f"got a field of {rows.field} rows and {columns.field} columns"
        )
    return rows.field, rows.jump


def trunk_of(subject: Subject) -> Trunk:
    """`trunk` of a network that has one.

    Raises:
        DlgbenchError: where it has none, and as `trunk`.
    """
    traced = trunk(subject.network, subject.input_shape)
    if traced is None:
        raise _without_windows(subject.network)
    return traced


def _large_shape(traced: Trunk, input_shape: Sequence[int]) -> tuple[int, int, int]:
    """The shape of images that contain the field of their middle unit.

    They fit the network as images of `input_shape` do.
    """
    channels, *sides = input_shape
    shift = traced.rows.shift
    height, width = (
        side + shift * math.ceil((traced.rows.field + 2 * shift - side) / shift) for side in sides
    )
    return channels, height, width


def gradient_mask(network: nn.Module, input_shape: Sequence[int], units: int = 1) -> Tensor:
    """Which pixels some of the output's units depend on: d out / d x != 0, (units, H, W) of bool.

    The units are the middle one and those diagonally after it. The network is made linear and
    positive, so that nothing cancels and no unit is dead: weights are drawn from 1/2 to 3/2 over
    fan_in; layers that act on each unit alone become the identity; a max-pooling becomes the
    average over its window, which depends on the same pixels.
    """
    _make_positive(network)
    device = next(network.parameters()).device
    x = torch.ones(1, *input_shape, dtype=torch.float64, device=device, requires_grad=True)
    y = network(x)
    row, column = y.shape[2] // 2, y.shape[3] // 2
    diagonal = (y[0, :, row + unit, column + unit].sum() for unit in range(units))
    gradients = (torch.autograd.grad(out, x, retain_graph=True)[0][0] for out in diagonal)
    return torch.stack([gradient.sum(0) != 0 for gradient in gradients])


@torch.no_grad()
def _make_positive(network: nn.Module) -> None:
    network.double().eval()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(parent, name, _average_pool(child))
            elif is_pointwise(child):
                setattr(parent, name, nn.Identity())
    for module in weighted(network):
        module.weight.uniform_(0.5, 1.5).div_(module.weight[0].numel())
        if module.bias is not None:
            module.bias.zero_()


def _average_pool(pool: nn.MaxPool2d) -> nn.AvgPool2d:
    if pool.dilation not in (1, (1, 1)):
        raise DlgbenchError(f"receptive field: expected a max-pooling without dilation, got {pool}")
    return nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)


def measure(subject: Subject) -> Measurement:
    """The field by gradient and by arithmetic, and the jump, which is 1 for full resolution.

    By gradient it is the longest side over one period of units; up-sampling makes the period longer
    than one.

    Raises:
        DlgbenchError: as `arithmetic`.
    """
    traced = trunk_of(subject)
    expected, jump = _square(traced)
    shape = _large_shape(traced, subject.input_shape)
    masks = gradient_mask(traced.network, shape, traced.rows.period)
    rows = [mask.any(1).nonzero() for mask in masks]
    side = max(int(seen.max()) - int(seen.min()) + 1 for seen in rows)
    metrics = {
        "receptive_field": float(side),
        "receptive_field/arithmetic": float(expected),
        "receptive_field/stride": float(jump),
    }
    return Measurement(metrics)


def effective_field(subject: Subject) -> Measurement:
    """How much of the field matters: where the mean of |dy / dx| is above 4.55 % of its largest.

    y is the middle unit of the last feature map. 4.55 % is the share of a Gaussian outside two
    standard deviations. With A such pixels the metrics are sqrt(A), the side of a square of as many
    pixels, and sqrt(A) / r, where r is the theoretical field. y is the sum over the map's channels,
    x ~ N(0, 1), the mean is over 20 inputs and the absolute values of all input channels; the
    weights are the network's own, in evaluation mode. The array `effective_field/map` (rows,
    columns) is the mean over the field, 1 at its largest; where the field is larger than 32, it is
    averaged over 32 x 32 cells.

    Luo, Li, Urtasun & Zemel 2016, "Understanding the effective receptive field in deep
    convolutional neural networks", NIPS, sections 3 and 4.

    Raises:
        DlgbenchError: as `arithmetic`.
    """
    traced = trunk_of(subject)
    expected, _ = _square(traced)
    shape = _large_shape(traced, subject.input_shape)
    device = next(traced.network.parameters()).device
    total = torch.zeros((), device=device)
    for _ in range(RUNS):
        x = torch.randn(1, *shape).to(device).requires_grad_()
        y = traced.network(x)
        middle = y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum()
        total = total + torch.autograd.grad(middle, x)[0][0].abs().sum(0)
    top, bottom = traced.rows.at(y.shape[2] // 2)
    left, right = traced.columns.at(y.shape[3] // 2)
    patch = total[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    area = int((patch > TAIL * patch.max()).sum())
    picture = F.adaptive_avg_pool2d(patch[None], min(*patch.shape, PICTURE))[0]
    picture = picture / picture.max().clamp_min(1e-30)
    metrics = {
        "effective_field": math.sqrt(area),
        "effective_field/share": math.sqrt(area) / expected,
    }
    return Measurement(metrics, arrays={"effective_field/map": to_array(picture)})
