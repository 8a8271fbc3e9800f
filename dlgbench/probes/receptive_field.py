"""The patch of the input that an output unit depends on (slides "Pooling layer: receptive field size", "Receptive field arithmetic")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.initialization import weighted

_WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def _side(value: int | tuple[int, ...]) -> int:
    sides = {value} if isinstance(value, int) else set(value)
    if len(sides) != 1:
        raise DlgbenchError(f"receptive field: square windows are wanted; {value} came")
    return sides.pop()


def arithmetic(network: nn.Module) -> tuple[int, int]:
    """(receptive field, jump) of a chain of convolutions and poolings: r += (k - 1) d j, then j *= s, from r = j = 1.

    k kernel, d dilation, s stride of each layer. A convolution K then a pooling P of stride 1 gives the slides' P + K - 1.
    """
    field = jump = 1
    for module in network.modules():
        if isinstance(module, _WINDOWS):
            dilation = 1 if isinstance(module, nn.AvgPool2d) else _side(module.dilation)
            field += (_side(module.kernel_size) - 1) * dilation * jump
            jump *= _side(module.stride)
    return field, jump


def gradient_mask(network: nn.Module, side: int) -> Tensor:
    """Which inputs of a (side, side) image the middle output unit depends on: nonzero d out / d x, (side, side) of bool.

    Every weight is set to 1 / fan_in, and the input is 1 everywhere, so that nothing cancels and no ReLU is dead; a
    max-pooling is read as the average over its window, which depends on the same pixels.
    """
    _positive(network)
    weight = weighted(network)[0].weight
    x = torch.ones(1, weight.shape[1], side, side, dtype=torch.float64, device=weight.device, requires_grad=True)
    y = network(x)
    y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    assert x.grad is not None
    return x.grad[0].sum(0) != 0


@torch.no_grad()
def _positive(network: nn.Module) -> None:
    network.double().eval()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    for module in weighted(network):
        module.weight.fill_(1.0 / module.weight[0].numel())
        if module.bias is not None:
            module.bias.zero_()


def measure(network: nn.Module, _batch: object) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The field by gradient and by arithmetic, and the stride of the output: 1 is full resolution."""
    expected, jump = arithmetic(network)
    rows = gradient_mask(network, 2 * expected + 2 * jump + 1).any(1).nonzero()
    side = int(rows.max() - rows.min()) + 1
    return {"receptive_field": side, "receptive_field/arithmetic": expected, "receptive_field/stride": jump}, {}
