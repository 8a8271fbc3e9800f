"""How long one pass over a large image takes, and a classifier that slides over it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from dlgbench.probes.sliding import TILES, passes
from dlgbench.probes.subject import Measurement, Subject

REPEATS = 15


@torch.no_grad()
def sliding_speed(subject: Subject) -> Measurement:
    """Median seconds of the classifier on all windows as one batch, over those of one pass.

    Both are warm and measured in turn, 15 times, in float32, on a random canvas of 3 x 3 images.
    """
    device = next(subject.network.parameters()).device
    x = torch.rand(TILES**2, *subject.input_shape).to(device)
    network = subject.network.eval()
    shared, canvas, cut = passes(network, x)
    slide, once = (lambda: network(cut)), (lambda: shared(canvas))
    seconds: dict[str, list[float]] = {"windows": [], "dense": []}
    for repeat in range(REPEATS + 2):
        for name, call in (("windows", slide), ("dense", once)):
            elapsed = _seconds(call, device)
            if repeat >= 2:  # the first two warm up
                seconds[name].append(elapsed)
    windows, dense = (statistics.median(values) for values in seconds.values())
    return Measurement({"sliding_speed/ratio": windows / dense, "sliding_speed/dense": dense})


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    """Of a call, with the work on the device done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    clock = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - clock
