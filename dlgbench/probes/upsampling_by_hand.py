"""Zero insertion, transposed convolution and their kernels, exactly (slide "Up-sampling")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlgbench.equations import convolution
from dlgbench.layers.upsampling import upsample
from dlgbench.probes.subject import Measurement, Subject

KERNEL_STRIDE = ((2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3), (6, 3), (4, 4))
IN, OUT = 3, 5  # channels


def _gap(actual: Tensor, expected: Tensor) -> float:
    """Max |actual - expected|."""
    return torch.dist(actual, expected, math.inf).item()


def _layers(kernel: int, stride: int, *, rotated: bool) -> tuple[nn.Module, nn.Module]:
    """The two layers `zero_insertion` and `transposed` in float64 with the same weights."""
    zeros, transposed = (
        upsample(name, IN, OUT, stride, kernel).double()
        for name in ("zero_insertion", "transposed")
    )
    w, bias = zeros.parameters()
    weight = w.transpose(0, 1)
    transposed.get_parameter("weight").copy_(weight.flip(2, 3) if rotated else weight)
    transposed.get_parameter("bias").copy_(bias)
    return zeros, transposed


def _unevenness(name: str, kernel: int) -> float:
    """Max / min - 1 of what a layer of ones makes of an image of ones, away from the edges."""
    layer = upsample(name, 1, 1, kernel=kernel).double()
    for parameter in layer.parameters():
        nn.init.ones_(parameter)
    inside = layer(torch.ones(1, 1, 12, 12, dtype=torch.float64))[..., 8:-8, 8:-8] - 1  # the bias
    return float(inside.max() / inside.min()) - 1


@torch.no_grad()
def upsampling_by_hand(_subject: Subject) -> Measurement:
    """Largest differences between maps that should be one, and the unevenness of windows.

    In float64, on fixed random inputs, the worst of kernels of 2 to 6 pixels with strides of 2 to
    4. Unevenness is max / min - 1 of the output for an image and a kernel of ones, with stride 2:
    how many windows reach a pixel, where there are most, against where there are fewest.
    """
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, IN, 6, 9, generator=random).double()
    zero_insertion, equations, by_matrix, not_rotated = [], [], [], []
    for kernel, stride in KERNEL_STRIDE:
        zeros, transposed = _layers(kernel, stride, rotated=True)
        zero_insertion.append(_gap(zeros(x), transposed(x)))
        zeros, transposed = _layers(kernel, stride, rotated=False)
        not_rotated.append(_gap(zeros(x), transposed(x)))
        w = torch.randn(IN, OUT, kernel, kernel, generator=random).double()
        expected = nn.functional.conv_transpose2d(x, w, stride=stride)
        equations.append(_gap(convolution.transposed(x, w, stride), expected))
        by_matrix.append(_gap(convolution.transposed_by_matrix(x, w, stride), expected))
    return Measurement(
        {
            "upsampling/zero_insertion": max(zero_insertion),
            "upsampling/equations": max(equations),
            "upsampling/by_matrix": max(by_matrix),
            "upsampling/not_rotated": min(not_rotated),
            "upsampling/uneven_2": _unevenness("transposed", 2),
            "upsampling/uneven_3": _unevenness("transposed", 3),
            "upsampling/uneven_4": _unevenness("transposed", 4),
            "upsampling/uneven_nearest": _unevenness("nearest", 3),
        }
    )
