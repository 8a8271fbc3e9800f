"""Classifiers that slide over an image as convolutions, and FCN.

Slides "Fully Convolutional Neural Networks", "Fully Convolutional Neural Networks in Practice":
fast, dense, low resolution.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.noise import Dropout
from dlgbench.layers.upsampling import crop
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.models.vgg import CHANNELS, STAGES
from dlgbench.registry import register_model

# Layers that would compute something else on a map than on a vector, or on a larger map.
IRREPLACEABLE = (nn.BatchNorm1d, nn.LayerNorm, nn.Softmax, nn.LogSoftmax, nn.AdaptiveMaxPool2d)


@register_model(
    "sliding_convnet",
    family="FCN",
    year=2014,
    paper="Sermanet et al. 2014, ICLR (OverFeat): sliding windows",
    proof="tests/models/test_fcn.py::test_a_dense_pass_is_the_sliding_window",
)
def sliding_convnet(
    input_shape: Sequence[int] = (1, 28, 28), num_classes: int = 10, *, width: float = 1.0
) -> nn.Sequential:
    """A classifier without padding, for `to_fully_convolutional`.

    As a convolution it slides over a larger image in steps of 4 pixels.

    Shapes: (B, 1, 28, 28) -> conv 5x5 (B, 32, 24, 24) -> pool (B, 32, 12, 12) -> conv 3x3
    (B, 64, 10, 10) -> pool (B, 64, 5, 5) -> (B, 128) -> (B, num_classes). A ReLU follows each
    layer but the last.

    Raises:
        DlgbenchError: for a shape other than (C, H, W) with sides of at least 12.
    """
    channels, *sides = image_shape("sliding_convnet", input_shape, least=12)
    a, b, hidden = (scaled(units, width) for units in (32, 64, 128))
    left = math.prod(((side - 4) // 2 - 2) // 2 for side in sides)
    return nn.Sequential(
        nn.Conv2d(channels, a, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(a, b, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(b * left, hidden),
        nn.ReLU(),
        nn.Linear(hidden, num_classes),
    )


def _leaves(network: nn.Module) -> list[nn.Module]:
    """The layers of nested Sequentials, in order."""
    if isinstance(network, nn.Sequential):
        return [leaf for child in network for leaf in _leaves(child)]
    return [network]


@torch.no_grad()
def to_fully_convolutional(network: nn.Sequential, input_shape: Sequence[int]) -> nn.Sequential:
    """A copy of a classifier in which convolutions of the same weights replace the linear layers.

    A linear layer on a map x of shape (C, h, w), y[k] = sum_cij w[k, (c, i, j)] x[c, i, j] + b[k],
    is a convolution whose kernel is as large as the map (Long et al. 2015, section 3.1). So the
    first linear layer becomes a convolution of that size, the later ones 1x1 convolutions.

    On images of `input_shape` the outputs are the classifier's, of shape (B, num_classes, 1, 1). A
    larger image gets one output per window, in steps of the product of all strides. Where no layer
    pads, each is exactly the classifier's output on that window. A layer that pads sees the image
    around the window, where the classifier on the window alone saw zeros.

    Args:
        network: a Sequential, nested or not, of convolutions, poolings, elementwise functions,
            Flatten and Linear. It is not changed. Adaptive average pooling to the size that the map
            already has is left out; adaptive average pooling to 1x1 becomes a pooling whose window
            is as large as the map.
        input_shape: (C, H, W) of the images that the classifier is made for.

    Raises:
        DlgbenchError: for a network that is not a Sequential, or a layer that no convolution can
            replace.
    """
    shape = tuple(image_shape("fully convolutional", input_shape))
    if not isinstance(network, nn.Sequential):
        raise DlgbenchError(
            f"fully convolutional: expected a Sequential, got {type(network).__name__}"
        )
    like = next(network.parameters())
    training = network.training
    x = torch.zeros((1, *shape), dtype=like.dtype, device=like.device)
    layers: list[nn.Module] = []
    for layer in _leaves(copy.deepcopy(network).eval()):
        if isinstance(layer, nn.Flatten):
            continue
        stand_in = _as_convolution(layer, (x.shape[2], x.shape[3]))
        x = stand_in(x)
        layers.append(stand_in)
    return nn.Sequential(*layers).train(training)


def _as_convolution(layer: nn.Module, size: tuple[int, int]) -> nn.Module:
    """A layer that does on a map of this size what `layer` does, and slides over larger ones."""
    if isinstance(layer, nn.Linear):
        like: dict[str, Any] = {"dtype": layer.weight.dtype, "device": layer.weight.device}
        channels, bias = layer.in_features // math.prod(size), layer.bias is not None
        window = nn.Conv2d(channels, layer.out_features, size, bias=bias, **like)
        window.weight.copy_(layer.weight.reshape(window.weight.shape))
        if window.bias is not None:
            window.bias.copy_(layer.bias)
        return window
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        output = layer.output_size
        height, width = output if isinstance(output, tuple) else (output, output)
        if (height, width) == size:
            return nn.Identity()
        if (height, width) == (1, 1):
            return nn.AvgPool2d(size, stride=1)
        raise DlgbenchError(
            "fully convolutional: expected adaptive pooling to 1x1 or to the map's "
            f"{size[0]}x{size[1]}, got {layer}"
        )
    if isinstance(layer, IRREPLACEABLE):
        raise DlgbenchError(
            f"fully convolutional: expected layers that a convolution can replace, got {layer}"
        )
    return layer


def _bilinear(num_classes: int, s: int) -> nn.ConvTranspose2d:
    """A learned up-sampling by the factor s that is initially bilinear interpolation.

    Its kernel has 2s x 2s pixels, with w[i] = 1 - |i - s + 1/2| / s on each axis. Initially no
    class contributes to another.
    """
    layer = nn.ConvTranspose2d(
        num_classes, num_classes, 2 * s, stride=s, padding=s // 2, bias=False
    )
    tent = 1 - (torch.arange(2 * s) - s + 0.5).abs() / s
    with torch.no_grad():
        layer.weight.copy_(torch.eye(num_classes)[:, :, None, None] * tent[:, None] * tent)
    return layer


class FCN(nn.Module):
    """VGG-16 as convolutions, with scores of its maps added up from coarse to fine; see `fcn8s`."""

    def __init__(self, channels: int, num_classes: int, stride: int, width: float) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for convolutions, stage in zip(STAGES[16], CHANNELS, strict=True):
            layers: list[nn.Module] = []
            maps = scaled(stage, width)
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, maps, 3, padding=1), nn.ReLU()]
                channels = maps
            self.stages.append(nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True)))
        hidden = scaled(4096, width)
        fc6, fc7 = nn.Conv2d(channels, hidden, 7, padding=3), nn.Conv2d(hidden, hidden, 1)
        self.classifier = nn.Sequential(fc6, nn.ReLU(), Dropout(0.5), fc7, nn.ReLU(), Dropout(0.5))
        he(self)
        skips = {32: 0, 16: 1, 8: 2}[stride]
        scored = (hidden, scaled(512, width), scaled(256, width))[: skips + 1]
        scores = [nn.Conv2d(inputs, num_classes, 1) for inputs in scored]
        for score in scores[1:]:
            for parameter in score.parameters():
                nn.init.zeros_(parameter)
        self.scores = nn.ModuleList(scores)
        factors = [2] * skips + [stride]
        self.ups = nn.ModuleList(_bilinear(num_classes, factor) for factor in factors)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> scores (B, num_classes, H, W)."""
        x, maps = image, []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        z = self.scores[0](self.classifier(x))
        finer_maps = (maps[3], maps[2])  # pool4, pool3
        for score, up, finer in zip(self.scores[1:], self.ups[:-1], finer_maps, strict=False):
            z = crop(up(z), finer) + score(finer)
        return crop(self.ups[-1](z), image)


def _builder(stride: int) -> Callable[..., FCN]:
    def build(
        input_shape: Sequence[int] = (3, 500, 500), num_classes: int = 21, *, width: float = 1.0
    ) -> FCN:
        """VGG-16 as convolutions, with up-sampling to the image's size.

        VGG-16's five stages, the convolutions fc6 (7x7) and fc7 (1x1) of 4096 maps, a 1x1
        convolution that gives the scores of the classes, and up-sampling. FCN-32s up-samples the
        scores, of stride 32, by 32. FCN-16s up-samples them by 2, adds scores of pool4 and
        up-samples by 16. FCN-8s also adds scores of pool3 and up-samples by 8.

        The up-samplings are transposed convolutions that are initially bilinear interpolation. The
        scores of pool4 and pool3 are initially zero, so that a network starts with the predictions
        of the coarser one (Long, Shelhamer & Darrell 2015, section 4.2).

        Shapes: (B, C, H, W) -> (B, num_classes, H, W), any sides. The maps of the stages have sides
        ceil(H/2) ... ceil(H/32).

        Four things differ from the paper. The initial hidden weights are He's (2015), not those of
        a network trained on ImageNet. The initial coarsest scores are torch's default, not zero,
        which would give no gradient to the layers below. The last up-sampling is learned like the
        others. fc6 is padded by 3, where the paper pads the image by 100 pixels.

        Raises:
            DlgbenchError: for a shape other than (C, H, W).
        """
        return FCN(image_shape(f"fcn{stride}s", input_shape)[0], num_classes, stride, width)

    return build


for _stride in (32, 16, 8):
    register_model(
        f"fcn{_stride}s",
        family="FCN",
        year=2015,
        paper="Long, Shelhamer & Darrell 2015, CVPR, section 4",
        task="segmentation",
        init="default",  # the builder's: bilinear up-samplings, and zero for two of the scores
        sides=(64, 96),  # with a stride of 32 only one pixel of 28x28 would be left
        proof="tests/models/test_fcn.py::test_parameters_by_hand",
    )(_builder(_stride))
