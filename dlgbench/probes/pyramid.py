"""What pyramids keep and what they lose (slide "Encoder-decoder with skip connections")."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.probes.subject import Measurement, Subject, to_array

SHOWN = 2  # images that are recorded


@torch.no_grad()
def pyramid(subject: Subject) -> Measurement:
    """Errors of a pyramid's reconstruction, and the energy that dropping its details loses.

    In float64, on the batch x. With the bands b of x and the synthesis R:

        error       max |R(b) - x| / max |x|
        parseval    |sum |b|^2 - sum |x|^2| / sum |x|^2
        sabotaged   the error of R(b) with the signs of the finest details turned
        lost_l      sum |x - R(b without the l finest levels)|^2 / sum |x - mean|^2, each image with
                    its own mean, for l = 1 ... `levels`; the curve `pyramid/lost`
        dropped     | |x - R(b without the finest level)|^2 - |finest details|^2 | / sum |x|^2
        lost_noise  lost_1 of the images with their pixels shuffled

    The arrays `pyramid/image`, `pyramid/coarse` and `pyramid/lost`, each (n, C, H, W), have images
    before and after all details are dropped, and the difference; `pyramid/band_k` the bands of the
    first one, from the finest on.

    Raises:
        DlgbenchError: for a network that is no pyramid, or a pyramid of less than 2 levels.
    """
    network: Any = subject.network
    x, levels = subject.data("pyramid")[0].double(), getattr(network, "levels", 0)
    if not hasattr(network, "decompose") or levels < 2:
        raise DlgbenchError(
            "probe pyramid: expected a pyramid of at least 2 levels, got "
            f"{type(network).__name__} of {levels}"
        )
    decompose, reconstruct = network.decompose, network.reconstruct
    bands: list[Tensor] = decompose(x, levels)
    each = (len(bands) - 1) // levels  # detail bands of a level
    power = x.square().sum()

    def without(images: Tensor, dropped: int) -> Tensor:
        kept: Tensor = reconstruct(drop(decompose(images, levels), dropped * each))
        return kept

    lost = [_lost(x, without(x, level)) for level in range(1, levels + 1)]
    energies = torch.stack([band.square().sum() for band in bands])
    shuffled = _shuffled(x)
    turned = [-band for band in bands[:each]] + bands[each:]
    coarse = without(x, levels)
    metrics = {
        "pyramid/error": _error(reconstruct(bands), x),
        "pyramid/parseval": float((energies.sum() - power).abs() / power),
        "pyramid/sabotaged": _error(reconstruct(turned), x),
        "pyramid/lost_1": lost[0],
        "pyramid/lost_2": lost[1],
        "pyramid/lost_all": lost[-1],
        "pyramid/dropped": float(
            ((x - without(x, 1)).square().sum() - energies[:each].sum()).abs() / power
        ),
        "pyramid/lost_noise": _lost(shuffled, without(shuffled, 1)),
    }
    shown = {"image": x[:SHOWN], "coarse": coarse[:SHOWN], "lost": (x - coarse)[:SHOWN]}
    shown |= {f"band_{k}": band[:1] for k, band in enumerate(bands)}
    arrays = {f"pyramid/{name}": to_array(values) for name, values in shown.items()}
    return Measurement(metrics, {"pyramid/lost": lost}, arrays)


def drop(bands: list[Tensor], count: int) -> list[Tensor]:
    """The bands with zeros for the first `count`."""
    return [torch.zeros_like(band) for band in bands[:count]] + bands[count:]


def _error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


def _lost(x: Tensor, kept: Tensor) -> float:
    return float((x - kept).square().sum() / (x - x.mean((1, 2, 3), keepdim=True)).square().sum())


def _shuffled(x: Tensor) -> Tensor:
    random = torch.Generator().manual_seed(0)
    order = torch.randperm(x[0].numel(), generator=random).to(x.device)
    return x.flatten(1)[:, order].view_as(x)
