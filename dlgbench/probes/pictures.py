"""Weights and predictions to look at.

Slides "Convolutional Network and Filter Visualizations", "Image-to-image".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted
from dlgbench.probes.subject import Measurement, Subject, to_array

FILTERS, WEIGHTS = 64, 25_000  # the most that are recorded: filters, and weights of them
CANVASES = 2


def filters(subject: Subject) -> Measurement:
    """The first layer's weights as images, and how rough they are.

    The roughness is mean (w[p] - w[q])^2 over neighbours p, q in a row or column, divided by the
    variance of w, over all filters: 2 for white noise, nearly 0 where w is smooth, 4 for a
    checkerboard, nan for filters of one pixel or one value. The array `filters/weights`, of shape
    (n, C, side, side), holds the first filters: at most 64, and 25,000 weights. The first layer is
    a convolution, or a linear layer that reads the pixels of an image.

    Krizhevsky et al. 2012, Figure 3.

    Raises:
        DlgbenchError: for a network whose first layer is neither, or filters that are not square.
    """
    images = _first_filters(subject)
    weight = images.detach().double()
    steps = [
        (weight[..., 1:, :] - weight[..., :-1, :]).square().flatten(),
        (weight[..., 1:] - weight[..., :-1]).square().flatten(),
    ]
    number, variance = sum(len(step) for step in steps), float(weight.var(correction=0))
    roughness = math.nan
    if number and variance:
        roughness = float(sum(step.sum() for step in steps)) / number / variance
    count = max(1, min(FILTERS, WEIGHTS // weight[0].numel()))
    arrays = {"filters/weights": to_array(images[:count])}
    return Measurement({"filters/roughness": roughness}, arrays=arrays)


def _first_filters(subject: Subject) -> Tensor:
    """The first layer's weights, of shape (filters, channels, side, side)."""
    layers, shape = weighted(subject.network), subject.input_shape
    weight = layers[0].weight if layers else None
    if weight is not None and isinstance(layers[0], nn.Linear) and len(shape) == 3:
        weight = weight.unflatten(1, shape) if weight.shape[1] == math.prod(shape) else weight
    if weight is None or weight.dim() != 4 or weight.shape[2] != weight.shape[3]:
        got = layers[0] if layers else type(subject.network).__name__
        raise DlgbenchError(
            f"probe filters: expected a first layer whose weights are square images, got {got}"
        )
    return weight


@torch.no_grad()
def predictions(subject: Subject) -> Measurement:
    """The first two images, the label of each pixel, and the class that the network predicts.

    Arrays: `predictions/input` (n, C, H, W), `predictions/label` (n, H, W), -1 for no label, and
    `predictions/class` (n, H, W).

    Raises:
        DlgbenchError: for an output other than class scores (B, K, H, W), or labels other than
            (B, H, W) of the same sides.
    """
    x, y = (rows[:CANVASES] for rows in subject.data("predictions"))
    z = subject.network.eval()(x)
    if z.dim() != 4 or y.dim() != 3 or not x.shape[2:] == y.shape[1:] == z.shape[2:]:
        raise DlgbenchError(
            "probe predictions: expected class scores (B, K, H, W) and a label for each pixel, "
            f"got shapes {tuple(z.shape)} and {tuple(y.shape)}"
        )
    arrays = {
        "predictions/input": to_array(x),
        "predictions/label": to_array(y),
        "predictions/class": to_array(z.argmax(1)),
    }
    return Measurement(arrays=arrays)
