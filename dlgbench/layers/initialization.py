"""Initial weights by name. The built-in initializations register themselves here.

A weight w has shape (out, in, ...), and fan_in = w[0].numel(). Every bias starts at zero.
Normalization layers keep their scale of 1 and shift of 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.layers.modes import evaluating
from dlgbench.registry import INITIALIZATIONS, register_initialization
from dlgbench.streams import isolated, seed_global, stream, stream_seed

# w = 0. Slide "Parameter Initialization".
register_initialization("zero")(lambda w, _: nn.init.zeros_(w))
# w ~ N(0, 0.01^2), 0.01 the standard deviation. Same slide; Krizhevsky et al. 2012.
register_initialization("normal")(lambda w, g: nn.init.normal_(w, 0.0, 0.01, generator=g))
# w ~ N(0, (0.01 / n)^2), n = fan_in: what the slide writes under "Kaiming".
register_initialization("slide")(
    lambda w, g: nn.init.normal_(w, 0.0, 0.01 / w[0].numel(), generator=g)
)
# w ~ N(0, 2 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 12.
register_initialization("glorot")(lambda w, g: nn.init.xavier_normal_(w, generator=g))
# w ~ N(0, 2 / fan_in). He et al. 2015, eq. 10: this is "Kaiming initialization".
register_initialization("he")(
    lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g)
)
# w with orthonormal rows or columns. Saxe et al. 2014.
register_initialization("orthogonal")(lambda w, g: nn.init.orthogonal_(w, generator=g))
# The same; the function `lsuv` then scales it on a batch. Mishkin & Matas 2016.
register_initialization("lsuv")(lambda w, g: nn.init.orthogonal_(w, generator=g))

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
    """The layers that have a weight matrix or kernel, in the order of the network."""
    return [module for module in network.modules() if isinstance(module, Weighted)]


TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def incoming(module: Weighted) -> Tensor:
    """The weight as (out, in, ...): each row holds the incoming weights of one unit.

    torch stores the weight of a transposed convolution as (in, out, ...).
    """
    return module.weight.transpose(0, 1) if isinstance(module, TRANSPOSED) else module.weight


@torch.no_grad()
def draw(module: Weighted, fill: Callable[[Tensor], object]) -> None:
    """Draws a layer's weight with a function that fills a tensor (out, in, ...).

    A locally connected layer draws the kernel of each location by itself.

    Raises:
        DlgbenchError: for a function that returns another tensor than the one that it was to fill.
    """
    kernels = module.kernels() if isinstance(module, LocallyConnected2d) else (incoming(module),)
    for kernel in kernels:
        drawn = torch.empty_like(kernel, memory_format=torch.contiguous_format)
        returned = fill(drawn)
        if isinstance(returned, Tensor) and returned.data_ptr() != drawn.data_ptr():
            raise DlgbenchError(
                "initialization: expected w to be filled in place, got a new tensor"
            )
        kernel.copy_(drawn)


@torch.no_grad()
def build(
    make: Callable[[], nn.Module], scheme: str, seed: int, random_stream: int = 0
) -> nn.Module:
    """Makes a network and draws its initial weights, those of layer k from the stream `init/k`.

    So two networks whose k-th layers have the same shape start with the same weights there,
    whatever other layers they have.

    Args:
        make: makes the network.
        scheme: a registered initialization, or `default`, which keeps what the network's own
            constructor drew.
        seed, random_stream: choose the random streams.

    Raises:
        DlgbenchError: for an unknown initialization.
    """
    if scheme != "default" and scheme not in INITIALIZATIONS:
        raise unknown("initialization", scheme, [*INITIALIZATIONS, "default"])
    with isolated(torch.device("cpu")):
        seed_global(stream_seed(seed, "init", random_stream), torch.device("cpu"))
        network = make()
    if scheme != "default":
        fill = INITIALIZATIONS[scheme].make
        with isolated(torch.device("cpu")):
            for k, module in enumerate(weighted(network)):
                # a user's scheme may draw from the global generator instead of its own
                seed_global(stream_seed(seed, f"init/{k}", random_stream), torch.device("cpu"))
                generator = stream(seed, f"init/{k}", random_stream)
                _initialize(module, fill, generator)
    return network


def _initialize(
    module: Weighted, fill: Callable[[Tensor, torch.Generator], object], generator: torch.Generator
) -> None:
    draw(module, lambda w: fill(w, generator))
    if module.bias is not None:
        nn.init.zeros_(module.bias)


@torch.no_grad()
def lsuv(
    network: nn.Module, x: Tensor, tolerance: float = 0.02, max_iterations: int = 20
) -> dict[str, float]:
    """Layer-sequential unit variance: scales each layer until its outputs have variance 1.

    w <- w / sqrt(Var(o)), repeated, where o are the outputs of the layer on the batch x, before the
    activation function, and Var(o) is taken over samples and units at once. The layers are scaled
    in the order in which x passes through them, so scaling one never changes a layer that is
    finished. The weights should be orthonormal; `build` draws such weights for the scheme `lsuv`.
    Where biases are 0, one iteration is exact. Dropout is off, and batch normalization uses the
    batch's statistics; its running statistics and every layer's mode are unchanged afterwards.
    Mishkin & Matas 2016, "All you need is a good init", ICLR, Algorithm 1 (tolerance and number of
    iterations of the authors' code).

    Args:
        network: is scaled in place.
        x: the batch, on the network's device; at least 100 samples, better 1,000, for a stable
            variance.
        tolerance: a layer is finished once |Var(o) - 1| < tolerance.
        max_iterations: scalings of a layer at most.

    Returns:
        The final variance of each layer's outputs, by the layer's name.

    Raises:
        DlgbenchError: where a layer's outputs are constant or not finite on the batch, so that no
            scale gives variance 1.
    """
    names = {module: name for name, module in network.named_modules()}
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    variance: dict[nn.Module, float] = {}  # in the order of the first call

    def record(module: nn.Module, _: object, output: Tensor) -> None:
        variance[module] = output.var(correction=0).item()

    hooks = [module.register_forward_hook(record) for module in weighted(network)]
    try:
        with evaluating(network, keep=(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            network(x)
            for module in [module for module in variance if isinstance(module, Weighted)]:
                for _ in range(max_iterations):
                    if not 0 < variance[module] < math.inf:
                        raise DlgbenchError(
                            f"lsuv: layer {names[module]!r}: expected outputs of finite variance "
                            f"above 0 on the batch, got variance {variance[module]}"
                        )
                    if abs(variance[module] - 1) < tolerance:
                        break
                    module.weight /= math.sqrt(variance[module])
                    network(x)
    finally:
        for hook in hooks:
            hook.remove()
        for buffer, before in buffers:
            buffer.copy_(before)
    return {names[module]: value for module, value in variance.items()}
