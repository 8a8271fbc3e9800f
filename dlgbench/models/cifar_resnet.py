"""Residual networks for small images, and their plain twins (slides "Residual Network", "Plain network: deeper is not necessarily better")."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from dlgbench.errors import DlgbenchError
from dlgbench.models import register_model
from dlgbench.models.common import image_shape, scaled

DEPTHS = (20, 32, 44, 56, 110, 1202)


class Shortcut(nn.Module):
    """S(x) = `scale` x, every `stride`-th pixel of it, with `extra` channels of zeros behind: no parameters (option A).

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
    """y = max(0, F(x) + S(x)), F(x) = BN(W2 * max(0, BN(W1 * x))), * a 3x3 convolution. He et al. 2016, eq. 1.

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
    """A residual block, or max(0, F(x)) with the same names and weights."""
    branch = nn.Sequential(
        *_normalized(inputs, outputs, stride), nn.ReLU(), *_normalized(outputs, outputs)
    )
    return (
        Residual(branch, Shortcut(stride, outputs - inputs, scale))
        if skip
        else nn.Sequential(OrderedDict(branch=branch, relu=nn.ReLU()))
    )


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
    """6n + 2 layers: a 3x3 convolution, three stages of n blocks at 16, 32, 64 channels, a linear layer. He et al. 2016, section 4.2.

    The first block of stages 2 and 3 halves the sides: 32, 16, 8. Every 3x3 convolution is normalized, and begins as N(0, 2 / fan_out).
    Receptive field 28n - 3: of 81, 137, 193, 249, 501 and 5597 pixels for n = 3, 5, 7, 9, 18 and 200.

    Shapes: (B, C, H, W) -> (B, num_classes).

    Args:
        input_shape, num_classes: shapes of an image and of the output.
        depth: 6n + 2, the layers with weights.
        skip: the blocks' shortcuts; without them it is the plain twin, with the same layers, weights and initial values.
        width: scales the channels of all layers.
        zero_gamma: the last gamma of each branch begins at 0, so each block as its shortcut (Goyal et al. 2017, section 5.1).
        shortcut_scale: what the shortcuts are multiplied by (He et al. 2016, ECCV, section 3.1); at 0 it is the plain twin, to the bit.

    Raises:
        DlgbenchError: for another depth; zero_gamma without skip, where no signal would pass; or shortcut_scale without skip.
    """
    if depth < 8 or depth % 6 != 2:
        raise DlgbenchError(
            f"residual network for small images: a depth of 6n + 2, 8, 14, 20, ..., is wanted; {depth} came"
        )
    if zero_gamma and not skip:
        raise DlgbenchError(
            f"plain{depth}: zero_gamma wants shortcuts; without them every block would begin as 0 and never learn"
        )
    if shortcut_scale != 1 and not skip:
        raise DlgbenchError(f"plain{depth}: shortcut_scale wants shortcuts; {shortcut_scale} came")
    channels = scaled(16, width)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Sequential(
            *_normalized(image_shape("cifar_resnet", input_shape)[0], channels), nn.ReLU()
        )
    )
    for stage in range(3):
        blocks, outputs = [], scaled(16 * 2**stage, width)
        for block in range((depth - 2) // 6):
            blocks.append(
                _block(
                    channels,
                    outputs,
                    2 if stage and not block else 1,
                    skip=skip,
                    scale=shortcut_scale,
                )
            )
            channels = outputs
        layers[f"stage{stage + 1}"] = nn.Sequential(*blocks)
    layers["head"] = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
    )
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

    family, name = (
        ("CIFAR ResNet", f"resnet{depth}") if skip else ("Plain network", f"plain{depth}")
    )
    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"`cifar_resnet` of depth {depth}, n = {(depth - 2) // 6}{'' if skip else ', without shortcuts'}."
    proof = "tests/models/test_cifar_resnet.py::test_parameters_layer_by_layer"
    return register_model(
        name, family=family, year=2016, paper="He et al. 2016, CVPR, section 4.2", proof=proof
    )(build)


resnet20, resnet32, resnet44, resnet56, resnet110, resnet1202 = (
    _register(depth, skip=True) for depth in DEPTHS
)
plain20, plain32, plain44, plain56, plain110, plain1202 = (
    _register(depth, skip=False) for depth in DEPTHS
)
