"""How weights begin. w has shape (fan_out, fan_in, ...); every bias begins at zero; normalization layers keep 1 and 0."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dlgbench.errors import unknown
from dlgbench.streams import isolated, stream, stream_seed

SCHEMES: dict[str, Callable[[Tensor, torch.Generator], object]] = {
    # w = 0. Slide "Parameter Initialization".
    "zero": lambda w, _: nn.init.zeros_(w),
    # w ~ N(0, 0.01^2), 0.01 the standard deviation. Same slide; Krizhevsky et al. 2012.
    "normal": lambda w, g: nn.init.normal_(w, 0.0, 0.01, generator=g),
    # w ~ N(0, (0.01 / n)^2), n = fan_in: what the slide writes under "Kaiming".
    "slide": lambda w, g: nn.init.normal_(w, 0.0, 0.01 / w[0].numel(), generator=g),
    # w ~ N(0, 2 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 12.
    "glorot": lambda w, g: nn.init.xavier_normal_(w, generator=g),
    # w ~ N(0, 2 / fan_in). He et al. 2015, eq. 10: what "Kaiming initialization" is.
    "he": lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g),
    # w with orthonormal rows or columns. Saxe et al. 2014.
    "orthogonal": lambda w, g: nn.init.orthogonal_(w, generator=g),
}
Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


def weighted(network: nn.Module) -> list[Weighted]:
    """The layers that carry a weight matrix or kernel, in the order of the network."""
    return [module for module in network.modules() if isinstance(module, Weighted)]


@torch.no_grad()
def build(make: Callable[[], nn.Module], scheme: str, seed: int, replicate: int = 0) -> nn.Module:
    """Makes a network and draws its weights by a scheme, the k-th layer's from the stream `init/k` of the seed.

    So two networks whose k-th layers agree in shape begin with the same k-th weights, whatever stands between them.
    Scheme `default` keeps what the network's own constructor drew.

    Raises:
        DlgbenchError: for an unknown scheme.
    """
    if scheme != "default" and scheme not in SCHEMES:
        raise unknown("initialization", scheme, [*SCHEMES, "default"])
    with isolated(torch.device("cpu")):
        torch.manual_seed(stream_seed(seed, "init", replicate))
        network = make()
    if scheme != "default":
        for k, module in enumerate(weighted(network)):
            SCHEMES[scheme](module.weight, stream(seed, f"init/{k}", replicate))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
