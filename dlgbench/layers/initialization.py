"""How weights begin. w has shape (out, in, ...), fan_in = w[0].numel(); every bias begins at zero; normalization layers keep 1 and 0."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.layers.modes import evaluating
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
    # The same, which the function `lsuv` then scales on a batch. Mishkin & Matas 2016.
    "lsuv": lambda w, g: nn.init.orthogonal_(w, generator=g),
}
Weighted = (
    nn.Linear
    | nn.Conv1d
    | nn.Conv2d
    | nn.Conv3d
    | nn.ConvTranspose1d
    | nn.ConvTranspose2d
    | nn.ConvTranspose3d
    | LocallyConnected2d
)


def weighted(network: nn.Module) -> list[Weighted]:
    """The layers that carry a weight matrix or kernel, in the order of the network."""
    return [module for module in network.modules() if isinstance(module, Weighted)]


TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def incoming(module: Weighted) -> Tensor:
    """The weight as (out, in, ...), a row for what comes in to each unit: torch keeps a transposed convolution's as (in, out, ...)."""
    return module.weight.transpose(0, 1) if isinstance(module, TRANSPOSED) else module.weight


@torch.no_grad()
def draw(module: Weighted, scheme: Callable[[Tensor], object]) -> None:
    """Draws a layer's weight by a scheme that fills a tensor (out, in, ...): each location's own where they are not shared."""
    for kernel in (
        module.kernels() if isinstance(module, LocallyConnected2d) else (incoming(module),)
    ):
        drawn = torch.empty_like(kernel, memory_format=torch.contiguous_format)
        scheme(drawn)
        kernel.copy_(drawn)


@torch.no_grad()
def build(
    make: Callable[[], nn.Module], scheme: str, seed: int, random_stream: int = 0
) -> nn.Module:
    """Makes a network and draws its weights by a scheme, the k-th layer's from the stream `init/k` of the seed.

    So two networks whose k-th layers agree in shape begin with the same k-th weights, whatever stands between them.
    Scheme `default` keeps what the network's own constructor drew.

    Raises:
        DlgbenchError: for an unknown scheme.
    """
    if scheme != "default" and scheme not in SCHEMES:
        raise unknown("initialization", scheme, [*SCHEMES, "default"])
    with isolated(torch.device("cpu")):
        torch.manual_seed(stream_seed(seed, "init", random_stream))
        network = make()
    if scheme != "default":
        for k, module in enumerate(weighted(network)):
            generator = stream(seed, f"init/{k}", random_stream)
            draw(module, functools.partial(_drawn, scheme, generator))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def _drawn(scheme: str, generator: torch.Generator, w: Tensor) -> None:
    SCHEMES[scheme](w, generator)


@torch.no_grad()
def lsuv(
    network: nn.Module, x: Tensor, tolerance: float = 0.02, max_iterations: int = 20
) -> dict[str, float]:
    """Layer-sequential unit variance: w <- w / sqrt(Var(o)) in each layer, first to last, until its outputs o on the batch have variance 1.

    Var(o) is over samples and units at once, before the activation function. The layers are taken in the order in which x passes
    them, so what is scaled later never changes what was scaled before. It wants orthonormal weights, which `build` draws for scheme
    `lsuv`; where biases are 0, one iteration is exact. Dropout is off, batch normalization takes the batch's statistics, and its running
    statistics and every layer's mode are left as they were. Mishkin & Matas 2016, "All you need is a good init", ICLR, Algorithm 1
    (tolerance and number of iterations of the authors' code).

    Args:
        network: is scaled in place.
        x: the batch, on the network's device; larger than 100, better 1,000, for a steady variance.
        tolerance, max_iterations: a layer is left once |Var(o) - 1| < tolerance, or after so many scalings.

    Returns:
        The variance that each layer is left with, by the layer's name.

    Raises:
        DlgbenchError: where a layer's outputs are constant or not finite on the batch, which no scale mends.
    """
    names = {module: name for name, module in network.named_modules()}
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    variance: dict[nn.Module, float] = {}  # in the order of the first call

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        variance[module] = output.var(correction=0).item()

    hooks = [module.register_forward_hook(note) for module in weighted(network)]
    try:
        with evaluating(network, keep=(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            network(x)
            for module in [module for module in variance if isinstance(module, Weighted)]:
                for _ in range(max_iterations):
                    if not 0 < variance[module] < math.inf:
                        raise DlgbenchError(
                            f"lsuv: a finite variance above 0 is wanted of layer {names[module]!r} on the batch; {variance[module]} came"
                        )
                    if abs(variance[module] - 1) < tolerance:
                        break
                    module.weight /= math.sqrt(variance[module])
                    network(x)
    finally:
        for hook in hooks:
            hook.remove()
        for buffer, was in buffers:
            buffer.copy_(was)
    return {names[module]: figure for module, figure in variance.items()}
