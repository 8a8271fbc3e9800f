"""How long one pass over a large image takes, and a classifier that slides over it."""

from __future__ import annotations

import torch

from dlgbench.probes.sliding import TILES, passes
from dlgbench.probes.subject import Measurement, Subject
from dlgbench.probes.timing import interleaved

ROUNDS = 15


@torch.no_grad()
def sliding_speed(subject: Subject) -> Measurement:
    """Milliseconds of the classifier on all windows as one batch, and of one pass.

    In float32, on a random canvas of 3 x 3 images; the windows are cut beforehand.
    """
    device = next(subject.network.parameters()).device
    x = torch.rand(TILES**2, *subject.input_shape).to(device)
    network = subject.network.eval()
    shared, canvas, cut = passes(network, x)
    ways = {"windows": lambda: network(cut), "dense": lambda: shared(canvas)}
    took = interleaved(ways, ROUNDS)
    return Measurement({f"sliding_speed/{way}": 1e3 * seconds for way, seconds in took.items()})
