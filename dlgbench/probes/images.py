"""What a network makes of images, against answers that need no network.

Slides "Encoder-decoder", "Learning to simplify".
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject, to_array

SHOWN = 6  # images that are recorded, at equal distances over the split
ROWS = 500  # that pass through the network at once
EQUAL = 1e-10  # share of the targets' variance that counts as none


@torch.no_grad()
def images(subject: Subject) -> Measurement:
    """The mean squared error over that of the mean image, and over that of the input.

    The mean image is that of the split's targets, the best answer that ignores the input. The
    input's error is that of the best a x + b, with a and b fitted to the split: it is never above
    the error of x itself, and the same for standardized inputs. Both fits know the test targets, so
    a ratio below 1 is no artefact of the baseline. `images/over_input` is nan where a x + b gives
    the targets, as in a reconstruction, or where inputs and targets differ in shape.

    The arrays `images/input`, `images/target` and `images/output`, each (n, C, H, W), have some
    images of the split.

    Raises:
        DlgbenchError: for an output other than images (B, C, H, W) of the targets' shape.
    """
    x, y = subject.data("images")
    network = subject.network.eval()
    z = torch.cat([network(rows) for rows in x.split(ROWS)])
    if z.dim() != 4 or z.shape != y.shape:
        raise DlgbenchError(
            "probe images: expected an output of images (B, C, H, W) of the targets' shape, got "
            f"{tuple(z.shape)} for {tuple(y.shape)}"
        )
    rows = torch.from_numpy(np.linspace(0, len(x) - 1, SHOWN).round().astype(int)).to(x.device)
    metrics = {
        "images/over_mean": _ratio(z, y, (y.double() - y.double().mean(0)).square().mean()),
        "images/over_input": _ratio(z, y, _residual(x, y)) if x.shape == y.shape else math.nan,
    }
    shown = {"input": x, "target": y, "output": z}
    arrays = {f"images/{name}": to_array(pictures[rows]) for name, pictures in shown.items()}
    return Measurement(metrics, arrays=arrays)


def _ratio(z: Tensor, y: Tensor, baseline: Tensor) -> float:
    y = y.double()
    if baseline <= EQUAL * y.var(correction=0):
        return math.nan
    return float((z.double() - y).square().mean() / baseline)


def _residual(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of the best a x + b: var(y) (1 - r^2)."""
    x, y = x.double() - x.double().mean(), y.double() - y.double().mean()
    xx, xy, yy = (x * x).mean(), (x * y).mean(), (y * y).mean()
    return yy - (xy * xy / xx if xx else 0)
