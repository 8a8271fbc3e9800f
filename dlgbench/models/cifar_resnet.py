"""Residual networks for small images, and the same networks without shortcuts ("plain").

Slides "Residual Network", "Plain network: deeper is not necessarily better".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model

DEPTHS = (20, 32, 44, 56, 110, 1202)


class Shortcut(nn.Module):
    """S(x) = `scale` x at every `stride`-th pixel, followed by `extra` channels of zeros.

    It has no parameters (option A of He et al. 2016).

    Shapes: (B, C, H, W) -> (B, C + extra, H / stride, W / stride), rounded up.
    """

    def __init__(self, stride: int, extra: int, scale: float = 1.0) -> None:
        super().__init__()
        self.subsample = nn.AvgPool2d(1, stride) if stride > 1 else nn.Identity()
        self.extra, self.scale = extra, scale

    def forward(self, x: Tensor) -> Tensor:
        """S(x)."""
        x = self.subsample(x)
        if self.scale != 1:
            x = self.scale * x
        return F.pad(x, (0, 0, 0, 0, 0, self.extra)) if self.extra else x


class Residual(nn.Module):
    """y = max(0, F(x) + S(x)), with F(x) = BN(W2 * max(0, BN(W1 * x))). He et al. 2016, eq. 1.

    * is a 3x3 convolution.

    Shapes: (B, C, H, W) -> (B, C', H / stride, W / stride), rounded up.
    """

    def __init__(self, branch: nn.Sequential, shortcut: Shortcut) -> None:
        super().__init__()
        self.branch, self.shortcut, self.relu = branch, shortcut, nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """max(0, F(x) + S(x))."""
        return self.relu(self.branch(x) + self.shortcut(x))


def _normalized(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)


def _block(inputs: int, outputs: int, stride: int, *, skip: bool, scale: float) -> nn.Module:
    """A residual block; without `skip`, max(0, F(x)) with the same names and weights."""
    first, second = _normalized(inputs, outputs, stride), _normalized(outputs, outputs)
    branch = nn.Sequential(*first, nn.ReLU(), *second)
    if skip:
        return Residual(branch, Shortcut(stride, outputs - inputs, scale))
    return nn.Sequential(OrderedDict(branch=branch, relu=nn.ReLU()))


def cifar_resnet(
    input_shape: Sequence[int] = (3, 32, 32),
    num_classes: int = 10,
    *,
    depth: int = 20,
    skip: bool = True,
    width: float = 1.0,
    zero_gamma: bool = False,
    shortcut_scale: float = 1.0,
) -> nn.Sequential:
    """A residual network of 6n + 2 layers with weights. He et al. 2016, section 4.2.

    A 3x3 convolution, three stages of n blocks at 16, 32 and 64 channels, and a linear layer. The
    first block of stages 2 and 3 halves the sides: 32, 16, 8. Each 3x3 convolution is followed by
    batch normalization; its initial weights are N(0, 2 / fan_out). The receptive field is 28n - 3:
    81, 137, 193, 249, 501 and 5597 pixels for n = 3, 5, 7, 9, 18 and 200.

    Shapes: (B, C, H, W) -> (B, num_classes).

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        depth: 6n + 2, the number of layers with weights.
        skip: whether the blocks have shortcuts. Without them it is the plain network, which has the
            same layers, weights and initial values.
        width: scales the channels of all layers.
        zero_gamma: the last gamma of each branch is initially 0, so that each block is initially
            its shortcut (Goyal et al. 2017, section 5.1).
        shortcut_scale: the factor of the shortcuts (He et al. 2016, ECCV, section 3.1). With 0 the
            outputs are those of the plain network, to the bit.

    Raises:
        DlgbenchError: for another depth; for zero_gamma without skip, where no signal would pass;
            for shortcut_scale without skip.
    """
    if depth < 8 or depth % 6 != 2:
        raise DlgbenchError(
            f"cifar_resnet: expected a depth of 6n + 2 (8, 14, 20, ...), got {depth}"
        )
    if zero_gamma and not skip:
        raise DlgbenchError(
            f"model plain{depth}: expected zero_gamma=False, since a block without its shortcut "
            "would initially be 0 and never learn, got True"
        )
    if shortcut_scale != 1 and not skip:
        raise DlgbenchError(
            f"model plain{depth}: expected shortcut_scale=1, since there are no shortcuts, "
            f"got {shortcut_scale}"
        )
    channels = scaled(16, width)
    first = _normalized(image_shape("cifar_resnet", input_shape)[0], channels)
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Sequential(*first, nn.ReLU()))
    for stage in range(3):
        blocks, outputs = [], scaled(16 * 2**stage, width)
        for block in range((depth - 2) // 6):
            stride = 2 if stage and not block else 1
            blocks.append(_block(channels, outputs, stride, skip=skip, scale=shortcut_scale))
            channels = outputs
        layers[f"stage{stage + 1}"] = nn.Sequential(*blocks)
    logits = nn.Linear(channels, num_classes)
    layers["head"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), logits)
    network = nn.Sequential(layers)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, Residual) and zero_gamma:
            nn.init.zeros_(module.branch[-1].get_parameter("weight"))
    return network


def _register(depth: int, *, skip: bool) -> Callable[..., nn.Module]:
    def build(
        input_shape: Sequence[int] = (3, 32, 32),
        num_classes: int = 10,
        *,
        width: float = 1.0,
        zero_gamma: bool = False,
        shortcut_scale: float = 1.0,
    ) -> nn.Module:
        return cifar_resnet(
            input_shape,
            num_classes,
            depth=depth,
            skip=skip,
            width=width,
            zero_gamma=zero_gamma,
            shortcut_scale=shortcut_scale,
        )

    name = f"resnet{depth}" if skip else f"plain{depth}"
    without = "" if skip else ", without shortcuts"
    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"`cifar_resnet` of depth {depth}, n = {(depth - 2) // 6}{without}."
    return register_model(
        name,
        family="CIFAR ResNet" if skip else "Plain network",
        year=2016,
        paper="He et al. 2016, CVPR, section 4.2",
        proof="tests/models/test_cifar_resnet.py::test_parameters_layer_by_layer",
    )(build)


resnet20, resnet32, resnet44, resnet56, resnet110, resnet1202 = (
    _register(depth, skip=True) for depth in DEPTHS
)
plain20, plain32, plain44, plain56, plain110, plain1202 = (
    _register(depth, skip=False) for depth in DEPTHS
)
