"""Images that a network makes of images, to look at (slides "Image-to-image")."""

from __future__ import annotations

import torch

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject, to_array

COUNT = 4


@torch.no_grad()
def outputs(subject: Subject) -> Measurement:
    """Inputs, targets and outputs of four images, which are spread evenly over the test split.

    Arrays: `outputs/input` (4, C, H, W), `outputs/target` and `outputs/image` (4, C', H, W); fewer
    where the test split has fewer.

    Raises:
        DlgbenchError: for outputs and targets other than images (B, C', H, W) of the input's sides.
    """
    x, y = subject.data("outputs")
    rows = torch.linspace(0, len(x) - 1, min(COUNT, len(x)), device=x.device).long()
    x, y = x[rows], y[rows]
    z = subject.network.eval()(x)
    if not x.dim() == y.dim() == z.dim() == 4 or z.shape != y.shape or x.shape[2:] != z.shape[2:]:
        raise DlgbenchError(
            "probe outputs: expected outputs and targets (B, C', H, W) of the input's sides, got "
            f"shapes {tuple(z.shape)} and {tuple(y.shape)} for an input {tuple(x.shape)}"
        )
    images = {"input": x, "target": y, "image": z}
    return Measurement(arrays={f"outputs/{name}": to_array(x) for name, x in images.items()})
