"""How compact the code is in the middle of a network (slide "Encoder-decoder")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlgbench.layers.initialization import weighted
from dlgbench.probes.subject import Measurement, Subject, on_meta


@torch.no_grad()
def code(subject: Subject) -> Measurement:
    """The numbers in the code, its positions, and its numbers over those of the input.

    The code is the output of a convolution or linear layer with the fewest positions H x W (1 for a
    vector); of several such outputs it is the smallest. For U-Net that is the map at the coarsest
    resolution; what its skips carry comes on top. Only shapes are computed.
    """
    network, found = on_meta(subject.network).eval(), []

    def note(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append((math.prod(output.shape[2:]), output.numel()))

    for layer in weighted(network):
        layer.register_forward_hook(note)
    dtype = next(network.parameters()).dtype
    network(torch.empty((1, *subject.input_shape), dtype=dtype, device="meta"))
    positions, numbers = min(found)
    share = numbers / math.prod(subject.input_shape)
    return Measurement(
        {"code/numbers": float(numbers), "code/positions": float(positions), "code/share": share}
    )
