"""How much accuracy a trained network keeps when the test images are shifted by a few pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject

PIXELS = (1, 2, 3)
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def shifted(x: Tensor, down: int, right: int) -> Tensor:
    """y[i, j] = x[i - down, j - right]; what comes in from outside repeats the image's edge.

    Shapes: (B, C, H, W) -> (B, C, H, W).
    """
    margins = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    height, width = x.shape[2:]
    padded = F.pad(x, margins, mode="replicate")
    return padded[:, :, margins[3] :, margins[1] :][:, :, :height, :width]


def shifts(subject: Subject) -> Measurement:
    """Accuracy under shifts by d = 1, 2, 3 pixels, over the accuracy on unshifted images.

        kept(d) = mean over left, right, up, down of accuracy(x shifted by d) / accuracy(x)

    1 is a network that does not mind; nan where nothing is classified correctly, so that there is
    nothing to keep. The curve holds the accuracies at 0, 1, 2, 3 pixels. Slide "Pooling layer".

    Raises:
        DlgbenchError: for inputs other than images.
    """
    x, y = subject.data("shifts")
    if x.dim() != 4:
        raise DlgbenchError(
            f"probe shifts: expected images (C, H, W), got inputs of shape {tuple(x.shape[1:])}"
        )
    network = subject.network.eval()

    def accuracy(images: Tensor) -> float:
        return float((network(images).argmax(1) == y).double().mean())

    with torch.no_grad():
        plain = accuracy(x)
        means = [
            math.fsum(accuracy(shifted(x, d * down, d * right)) for down, right in DIRECTIONS)
            / len(DIRECTIONS)
            for d in PIXELS
        ]
    kept = [mean / plain if plain else math.nan for mean in means]
    metrics = {f"shifts/kept_{d}": share for d, share in zip(PIXELS, kept, strict=True)}
    return Measurement(metrics, {"shifts/accuracy": [plain, *means]})
