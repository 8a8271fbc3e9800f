"""Whether a convolution has become the edge filter that it was to learn.

Slide "Convolutional Network and Filter Visualizations" and the course's notebook of an edge filter.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted
from dlgbench.probes.subject import Measurement, Subject, to_array

SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
FACE = slice(60, 188), slice(160, 288)  # of scikit-image's `camera`, rows and columns


@torch.no_grad()
def edge_filter(subject: Subject) -> Measurement:
    """Errors of the output and of the kernel apart, for one 3x3 convolution w of one channel.

    `kernel_error` is max |w - s|, s = (-1 0 1; -2 0 2; -1 0 1), Sobel's; so the inputs must not be
    standardized. `output_error` is RMS(w * x + b - y) / RMS(y) on the test split, whose y may be
    another filter's response; nan where y = 0. `picture_error` is the same on a photograph whose y
    is Sobel's response. Without padding it is about the inner pixels, as is `output_error`.

    Arrays: `edge_filter/kernel` and `edge_filter/sobel`, (3, 3); `edge_filter/photograph`, in
    [0, 1] less its mean, its `edges` by Sobel, and the network's `response`, of equal sides.

    Raises:
        DlgbenchError: for another network than one 3x3 convolution of one channel.
    """
    layers = weighted(subject.network)
    if len(layers) != 1 or layers[0].weight.shape != (1, 1, 3, 3):
        shapes = [tuple(layer.weight.shape) for layer in layers]
        raise DlgbenchError(
            "probe edge_filter: expected one convolution with a weight of shape (1, 1, 3, 3), got "
            f"weights of shapes {shapes}"
        )
    network, kernel = subject.network.eval(), layers[0].weight[0, 0]
    sobel = kernel.new_tensor(SOBEL)
    x, y = subject.data("edge_filter")
    photograph = _photograph().to(kernel)
    edges = F.conv2d(photograph, sobel[None, None], padding=1)
    response = network(photograph)
    metrics = {
        "edge_filter/kernel_error": float((kernel - sobel).abs().max()),
        "edge_filter/output_error": _relative(network(x), y),
        "edge_filter/picture_error": _relative(response, edges),
    }
    pictures = {"photograph": photograph, "edges": edges, "response": response}
    least = response.shape[2]
    arrays = {name: _inner(picture, least)[0, 0] for name, picture in pictures.items()}
    arrays |= {"kernel": kernel, "sobel": sobel}
    return Measurement(
        metrics, arrays={f"edge_filter/{name}": to_array(array) for name, array in arrays.items()}
    )


def _photograph() -> torch.Tensor:
    """(1, 1, 128, 128), in [0, 1] less its mean; of a photograph from which no patch is trained."""
    from skimage.data import camera

    image = torch.as_tensor(camera()[FACE]).float() / 255
    return (image - image.mean())[None, None]


def _relative(z: torch.Tensor, y: torch.Tensor) -> float:
    y = _inner(y, z.shape[2]).double()
    size = float(y.square().mean())
    return math.sqrt(float((z.double() - y).square().mean()) / size) if size else math.nan


def _inner(images: torch.Tensor, side: int) -> torch.Tensor:
    """The inner `side` x `side` pixels of square images (B, C, H, H)."""
    margin = (images.shape[2] - side) // 2
    return images[:, :, margin : margin + side, margin : margin + side]
