"""One pass over a large image against a classifier that slides over it.

Slide "Fully Convolutional Neural Networks in Practice": fast, dense, low resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlgbench.errors import DlgbenchError
from dlgbench.models.fcn import to_fully_convolutional
from dlgbench.probes.subject import Measurement, Subject, to_array

TILES = 3  # images side by side, and one below the other


@torch.no_grad()
def sliding(subject: Subject) -> Measurement:
    """How a fully convolutional pass differs from the sliding window, and what both cost.

    Nine images of the batch make a canvas of 3 x 3. In float64, errors are the largest |difference|
    over the largest |score|: `sliding/conversion` on the single images, `sliding/error` between the
    map of one pass over the canvas and the classifier on each window of it. `sliding/flops` is the
    ratio of operations, windows over pass, of convolutions and matrix products, and
    `sliding/stride` the pixels from window to window. The arrays `sliding/image` (C, H, W),
    `sliding/dense` and `sliding/windows` (K, h, w) have the canvas and both maps.

    Long, Shelhamer & Darrell 2015, CVPR, section 3.1.

    Raises:
        DlgbenchError: for fewer than nine images, and as `to_fully_convolutional`.
    """
    x = subject.data("sliding")[0][: TILES**2].double()
    if len(x) < TILES**2 or x.dim() != 4:
        raise DlgbenchError(
            f"probe sliding: expected at least {TILES**2} images (B, C, H, W), got {tuple(x.shape)}"
        )
    classifier = subject.network.double().eval()
    shared = to_fully_convolutional(classifier, subject.input_shape)  # type: ignore[arg-type]
    conversion = _error(shared(x).flatten(1), classifier(x))
    canvas = mosaic(x)
    with FlopCounterMode(display=False) as once:
        dense = shared(canvas)
    cut, stride = windows(canvas, x.shape[-1], dense.shape[-1])
    with FlopCounterMode(display=False) as often:
        scores = classifier(cut)
    slid = scores.T.reshape(dense.shape[1:])
    metrics = {
        "sliding/conversion": conversion,
        "sliding/error": _error(dense[0], slid),
        "sliding/flops": often.get_total_flops() / once.get_total_flops(),
        "sliding/stride": float(stride),
    }
    maps = {"image": canvas[0], "dense": dense[0], "windows": slid}
    return Measurement(metrics, arrays={f"sliding/{k}": to_array(v) for k, v in maps.items()})


def mosaic(x: Tensor) -> Tensor:
    """The first nine images (B, C, H, W) as one, (1, C, 3H, 3W), row by row."""
    _, channels, height, width = x.shape
    tiles = x[: TILES**2].reshape(TILES, TILES, channels, height, width)
    return tiles.permute(2, 0, 3, 1, 4).reshape(1, channels, TILES * height, TILES * width)


def windows(canvas: Tensor, side: int, count: int) -> tuple[Tensor, int]:
    """`count` x `count` windows (count^2, C, side, side) of a square canvas, and their stride.

    They are in row-major order and reach from edge to edge, as far as the stride allows.
    """
    stride = (canvas.shape[-1] - side) // (count - 1)
    cut = canvas.unfold(2, side, stride).unfold(3, side, stride)[:, :, :count, :count]
    return cut[0].permute(1, 2, 0, 3, 4).flatten(0, 1), stride


def _error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


def passes(network: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor, Tensor]:
    """A classifier as convolutions, a canvas of nine images, and the windows of the canvas."""
    shared = to_fully_convolutional(network, x.shape[1:])  # type: ignore[arg-type]
    canvas = mosaic(x)
    cut, _ = windows(canvas, x.shape[-1], shared(canvas).shape[-1])
    return shared, canvas, cut
