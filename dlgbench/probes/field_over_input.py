"""Where in an image a unit of the middle looks, to be drawn.

Slide "Receptive field arithmetic".
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.layers.initialization import TRANSPOSED, incoming, weighted
from dlgbench.probes.feature_maps import Axis
from dlgbench.probes.receptive_field import _make_positive, trunk_of
from dlgbench.probes.subject import Measurement, Subject, on_meta, to_array

LARGEST = 128  # side of the recorded image


def field_over_input(subject: Subject) -> Measurement:
    """The field of a unit in the middle of the last map, over an input of the network's own size.

    Where something is up-sampled, units differ in what they see: it is the first one from the
    middle on that sees most.

    Arrays: `field_over_input/image`, scikit-image's `camera` at the sides of an input (at most
    128); `field_over_input/frame`, H, W of the input and the first and last row, first and last
    column of the field, in pixels; a field may go beyond the image; and `field_over_input/gradient`
    of the image's shape, the effective field: `expected_gradient`, 1 at its largest.

    Raises:
        DlgbenchError: as `receptive_field.arithmetic`.
    """
    from skimage.data import camera
    from skimage.transform import resize

    traced = trunk_of(subject)
    height, width = subject.input_shape[1:]
    dtype = next(subject.network.parameters()).dtype
    x = torch.empty(1, *subject.input_shape, dtype=dtype, device="meta")
    rows, columns = on_meta(traced.network)(x).shape[2:]
    row, column = _widest(traced.rows, rows // 2), _widest(traced.columns, columns // 2)
    frame = [height, width, *traced.rows.at(row), *traced.columns.at(column)]
    shown = min(height, LARGEST), min(width, LARGEST)
    image = resize(camera(), shown, anti_aliasing=True, preserve_range=True)
    gradient = expected_gradient(traced.network, subject.input_shape, row, column)
    gradient = F.adaptive_max_pool2d(gradient[None], shown)[0]
    return Measurement(
        arrays={
            "field_over_input/image": image.round().astype(np.uint8),
            "field_over_input/frame": np.array(frame, np.int64),
            "field_over_input/gradient": to_array(gradient / gradient.max()),
        }
    )


def expected_gradient(
    network: nn.Module, input_shape: tuple[int, ...], row: int, column: int
) -> Tensor:
    """(H, W): sqrt(E[(dy / dx)^2]) of a unit y of the last map, at random weights.

    The weights are independent, with mean 0 and variance 1 / fan_in, the number of inputs of a
    unit, which of a transposed convolution is its stride's share of the kernel; layers that act on
    each unit alone (activations, normalization) are the identity. Then the squares add as gradients
    do where all weights are 1 / fan_in, whose gradient this is the root of: no weight has to be
    drawn, and the number of maps does not matter. The network is changed.

    Luo, Li, Urtasun & Zemel 2016, section 2.
    """
    _make_positive(network)
    with torch.no_grad():
        for layer in weighted(network):
            shared = math.prod(layer.stride) if isinstance(layer, TRANSPOSED) else 1
            layer.weight.fill_(shared / incoming(layer)[0].numel())
    device = next(network.parameters()).device
    x = torch.ones(1, *input_shape, dtype=torch.float64, device=device, requires_grad=True)
    y = network(x)[0, :, row, column].sum()
    return torch.autograd.grad(y, x)[0][0].sum(0).clamp_min(0).sqrt()


def _widest(axis: Axis, middle: int) -> int:
    """The unit that sees most, of one period of units from the middle on."""
    units = range(middle, middle + axis.period)
    return max(units, key=lambda unit: axis.at(unit)[1] - axis.at(unit)[0])
