"""Weights of a layer that is fully connected, connected by windows, and with shared windows.

Slides "Fully-connected Layer", "Convolutional layer".
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dlgbench.equations.convolution import convolution_matrix
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.probes.subject import Measurement, Subject, to_array

SIDE, WINDOW = 200, 10  # the slide's image, with a unit for each pixel, and its windows
INPUTS = 16  # of the matrices that are drawn, with windows of 3


def connectivity(_subject: Subject) -> Measurement:
    """Counts the weights of the slide's three layers, and takes a convolution as a matrix.

    The counts are those of nn.Linear, LocallyConnected2d and nn.Conv2d without biases, from an
    image of 200x200 to 40,000 units with windows of 10x10. They are on the device "meta", since
    1.6e9 weights would fill 6.4 GB.

    A convolution of 3x3 from 2 to 3 channels, with zeros around images of 9x8, is compared in
    float64 with vec(y) = M vec(x), M = `dlgbench.equations.convolution.convolution_matrix`, on
    fixed random numbers: max |M x - y| / max |y|. A sabotage draws the numbers in M anew, one by
    one, where M is not 0: the band is the same and the weights are not shared. The numbers in M are
    counted for one channel: a window's.

    Arrays: `connectivity/full`, `connectivity/local`, `connectivity/shared` (14, 16): matrices from
    16 inputs to 14 outputs, full, banded, and banded with the same 3 numbers in each row.
    """
    with torch.device("meta"):
        layers: dict[str, nn.Module] = {
            "full": nn.Linear(SIDE**2, SIDE**2, bias=False),
            "local": LocallyConnected2d(1, 1, (SIDE, SIDE), WINDOW, padding="same", bias=False),
            "shared": nn.Conv2d(1, 1, WINDOW, padding="same", bias=False),
        }
    counts = {
        f"connectivity/{name}": float(sum(p.numel() for p in layer.parameters()))
        for name, layer in layers.items()
    }
    random = torch.Generator().manual_seed(0)
    w = torch.randn(3, 2, 3, 3, generator=random).double()
    x = torch.randn(4, 2, 9, 8, generator=random).double()
    y = F.conv2d(x, w, padding=1).flatten(1)
    shared = convolution_matrix(w, 9, 8, padding=1)
    local = torch.where(shared != 0, torch.randn(shared.shape, generator=random).double(), 0)
    errors = [
        float((x.flatten(1) @ matrix.T - y).abs().max() / y.abs().max())
        for matrix in (shared, local)
    ]
    one = convolution_matrix(w[:1, :1], 9, 8, padding=1)
    metrics = {
        **counts,
        "connectivity/numbers": float(len(one[one != 0].unique())),
        "connectivity/matrix": errors[0],
        "connectivity/unshared": errors[1],
    }
    full = torch.rand(INPUTS - 2, INPUTS, generator=random) + 0.2
    row = torch.tensor([0.3, 1.1, 0.7])
    band = convolution_matrix(row.view(1, 1, 1, 3), 1, INPUTS)
    pictures = {"full": full, "local": torch.where(band != 0, full, 0), "shared": band}
    arrays = {f"connectivity/{name}": to_array(matrix) for name, matrix in pictures.items()}
    return Measurement(metrics, arrays=arrays)
