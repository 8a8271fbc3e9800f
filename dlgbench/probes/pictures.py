"""Weights and predictions to look at (slides "Convolutional Network and Filter Visualizations", "Image-to-image")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted
from dlgbench.probes.subject import Figures, Subject

FILTERS, WEIGHTS = 64, 25_000  # shown at most, and of them
CANVASES = 2


def filters(subject: Subject) -> Figures:
    """The first layer's weights as images, and how rough they are: mean (w[p] - w[q])^2 over neighbours p, q in a row or column, over the variance of w.

    White noise has 2, what is smooth nearly 0, a checkerboard 4, filters of one pixel or one value nan; all filters count. The curve holds the
    first, `filters/count` of them (at most 64, and 25,000 weights), each of `filters/channels` images of `filters/side` rows and columns, row by
    row. The first layer is a convolution, or a linear layer that reads the pixels of an image. Krizhevsky et al. 2012, Figure 3.

    Raises:
        DlgbenchError: for a network whose first layer is none of the two, or filters that are not square.
    """
    weight = _images(subject).detach().double()  # (filters, channels, side, side)
    steps = [
        (weight[..., 1:, :] - weight[..., :-1, :]).square().flatten(),
        (weight[..., 1:] - weight[..., :-1]).square().flatten(),
    ]
    number, variance = sum(len(step) for step in steps), float(weight.var(correction=0))
    roughness = (
        float(sum(step.sum() for step in steps)) / number / variance
        if number and variance
        else math.nan
    )
    shown = weight[: max(1, min(FILTERS, WEIGHTS // weight[0].numel()))]
    figures = {
        "filters/count": len(shown),
        "filters/channels": weight.shape[1],
        "filters/side": weight.shape[2],
        "filters/roughness": roughness,
    }
    return figures, {"filters/weights": shown.flatten().tolist()} if subject.pictures else {}


def _images(subject: Subject) -> Tensor:
    layers, shape = weighted(subject.network), subject.input_shape
    weight = layers[0].weight if layers else None
    if (
        weight is not None
        and isinstance(layers[0], nn.Linear)
        and len(shape) == 3
        and weight.shape[1] == math.prod(shape)
    ):
        weight = weight.unflatten(1, shape)
    if weight is None or weight.dim() != 4 or weight.shape[2] != weight.shape[3]:
        came = layers[0] if layers else type(subject.network).__name__
        raise DlgbenchError(
            f"probe filters wants a first layer with square images for weights; {came} came"
        )
    return weight


@torch.no_grad()
def predictions(subject: Subject) -> Figures:
    """The first two images (mean over their channels), the label of each of their pixels (-1 for none), and the class that the network gives it.

    The curves hold `predictions/count` maps of `predictions/height` rows and `predictions/width` columns, one after the other, row by row.

    Raises:
        DlgbenchError: for an output other than class scores (B, K, H, W), or labels other than (B, H, W) of the same sides.
    """
    x, y = (rows[:CANVASES] for rows in subject.data("predictions"))
    z = subject.network.eval()(x)
    if z.dim() != 4 or y.dim() != 3 or not x.shape[2:] == y.shape[1:] == z.shape[2:]:
        raise DlgbenchError(
            f"probe predictions wants scores (B, K, H, W) and a label for each pixel; {tuple(z.shape)} and {tuple(y.shape)} came"
        )
    maps = {
        "predictions/input": x.mean(1),
        "predictions/label": y,
        "predictions/class": z.argmax(1),
    }
    figures = dict(
        zip(
            ("predictions/count", "predictions/height", "predictions/width"),
            map(float, y.shape),
            strict=True,
        )
    )
    return figures, {
        name: found.double().flatten().tolist() for name, found in maps.items()
    } if subject.pictures else {}
