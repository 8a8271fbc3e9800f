"""Classifiers slid over an image, and FCN (slides "Fully Convolutional Neural Networks", "... in Practice": fast, dense, low resolution)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.upsampling import crop
from dlgbench.models import register_model
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.models.vgg import CHANNELS, STAGES


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
    """A classifier without padding, so that `to_fully_convolutional` slides it over a larger image in steps of 4 pixels.

    Shapes: (B, 1, 28, 28) -> conv 5x5 (B, 32, 24, 24) -> pool (B, 32, 12, 12) -> conv 3x3 (B, 64, 10, 10) -> pool (B, 64, 5, 5)
    -> (B, 128) -> (B, num_classes); ReLU after each hidden layer.

    Raises:
        DlgbenchError: for a shape other than (C, H, W) with sides of at least 12.
    """
    channels, *sides = image_shape("sliding_convnet", input_shape, least=12)
    a, b, hidden = (scaled(units, width) for units in (32, 64, 128))
    left = math.prod(((side - 4) // 2 - 2) // 2 for side in sides)
    features = [
        nn.Conv2d(channels, a, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(a, b, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]
    return nn.Sequential(
        *features,
        nn.Flatten(),
        nn.Linear(b * left, hidden),
        nn.ReLU(),
        nn.Linear(hidden, num_classes),
    )


def _leaves(network: nn.Module) -> list[nn.Module]:
    if isinstance(network, nn.Sequential):
        return [leaf for child in network for leaf in _leaves(child)]
    return [network]


@torch.no_grad()
def to_fully_convolutional(network: nn.Sequential, input_shape: Sequence[int]) -> nn.Sequential:
    """The same weights as convolutions: y[k] = sum_cij w[k, (c, i, j)] x[c, i, j] + b[k] is a window of the whole map (Long et al. 2015, section 3.1).

    The first linear layer becomes a convolution as large as the map it used to flatten, the others 1x1. On images of `input_shape` the
    outputs are the classifier's, (B, num_classes, 1, 1). Larger ones get an output per window: where no layer pads, exactly
    the classifier's on each window, in steps of the product of all strides. What pads sees the image where the lone window saw zeros.

    Args:
        network: a Sequential, nested or not, of convolutions, pools, functions of one unit, Flatten and Linear. Is left as it was.
            Adaptive average pooling to the size that the map has anyway is left out; that to 1x1 becomes a window as large as the map.
        input_shape: (C, H, W) that the classifier is made for.

    Raises:
        DlgbenchError: for a network that is no Sequential, or a layer that no convolution can stand for.
    """
    shape = tuple(image_shape("fully convolutional", input_shape))
    if not isinstance(network, nn.Sequential):
        raise DlgbenchError(
            f"fully convolutional: a Sequential is wanted; {type(network).__name__} came"
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
    if isinstance(layer, nn.Linear):
        channels = layer.in_features // math.prod(size)
        window = nn.Conv2d(
            channels,
            layer.out_features,
            size,
            bias=layer.bias is not None,
            dtype=layer.weight.dtype,
            device=layer.weight.device,
        )
        window.weight.copy_(layer.weight.reshape(window.weight.shape))
        if window.bias is not None:
            window.bias.copy_(layer.bias)
        return window
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        wanted = (
            layer.output_size
            if isinstance(layer.output_size, tuple)
            else (layer.output_size, layer.output_size)
        )
        if wanted == size:
            return nn.Identity()
        if wanted == (1, 1):
            return nn.AvgPool2d(size, stride=1)
        raise DlgbenchError(
            f"fully convolutional: an adaptive pooling to 1x1 or to the map's {size[0]}x{size[1]} is wanted; {layer} came"
        )
    if isinstance(
        layer, nn.BatchNorm1d | nn.LayerNorm | nn.Softmax | nn.LogSoftmax | nn.AdaptiveMaxPool2d
    ):
        raise DlgbenchError(f"fully convolutional: no convolution stands for {layer}")
    return layer


def _bilinear(num_classes: int, factor: int) -> nn.ConvTranspose2d:
    """A learned up-sampling that begins as bilinear interpolation: kernel 2s x 2s, w[i] = 1 - |i - s + 1/2| / s on each axis, of each class alone."""
    layer = nn.ConvTranspose2d(
        num_classes, num_classes, 2 * factor, stride=factor, padding=factor // 2, bias=False
    )
    tent = 1 - (torch.arange(2 * factor) - factor + 0.5).abs() / factor
    with torch.no_grad():
        layer.weight.copy_(torch.eye(num_classes)[:, :, None, None] * tent[:, None] * tent)
    return layer


class FCN(nn.Module):
    """VGG-16, its linear layers as convolutions, scores of the coarse maps added up from coarse to fine. See `fcn8s`."""

    def __init__(self, channels: int, num_classes: int, stride: int, width: float) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for convolutions, stage in zip(STAGES[16], CHANNELS, strict=True):
            layers: list[nn.Module] = []
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, scaled(stage, width), 3, padding=1), nn.ReLU()]
                channels = scaled(stage, width)
            self.stages.append(nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True)))
        hidden = scaled(4096, width)
        fc6, fc7 = nn.Conv2d(channels, hidden, 7, padding=3), nn.Conv2d(hidden, hidden, 1)
        self.classifier = nn.Sequential(
            fc6, nn.ReLU(), nn.Dropout(0.5), fc7, nn.ReLU(), nn.Dropout(0.5)
        )
        he(self)
        skips = {32: 0, 16: 1, 8: 2}[stride]
        scores = [
            nn.Conv2d(inputs, num_classes, 1)
            for inputs in (hidden, scaled(512, width), scaled(256, width))[: skips + 1]
        ]
        for score in scores[1:]:
            for parameter in score.parameters():
                nn.init.zeros_(parameter)
        self.scores = nn.ModuleList(scores)
        self.ups = nn.ModuleList(
            _bilinear(num_classes, factor) for factor in [2] * skips + [stride]
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> scores (B, num_classes, H, W)."""
        x, maps = image, []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        z = self.scores[0](self.classifier(x))
        for score, up, finer in zip(
            self.scores[1:], self.ups[:-1], (maps[3], maps[2]), strict=False
        ):
            z = crop(up(z), finer) + score(finer)
        return crop(self.ups[-1](z), image)


def _builder(stride: int) -> Callable[..., FCN]:
    def build(
        input_shape: Sequence[int] = (3, 500, 500), num_classes: int = 21, *, width: float = 1.0
    ) -> FCN:
        """VGG-16's five stages, fc6 7x7 and fc7 1x1 convolutions of 4096 maps, a 1x1 score layer, and up-sampling to the image's size.

        FCN-32s up-samples the stride-32 scores by 32. FCN-16s up-samples them by 2, adds scores of pool4, up-samples by 16; FCN-8s adds scores of
        pool3 too and up-samples by 8. Up-samplings are transposed convolutions that begin as bilinear interpolation, the scores of pool4 and
        pool3 begin at zero, so that the net starts with the coarser net's predictions (Long, Shelhamer & Darrell 2015, section 4.2).

        Shapes: (B, C, H, W) -> (B, num_classes, H, W), any sides; maps of sides ceil(H/2) ... ceil(H/32).

        Not the paper's: hidden weights begin at He's (2015), not at ImageNet's; the coarsest scores begin at torch's default, not at zero, which
        would keep gradients from all that is below; the last up-sampling is learned like the others; fc6 is padded by 3 in place of 100
        pixels around the image.

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
        init="default",  # up-samplings begin bilinear, two of the scores at zero
        sides=(64, 96),  # a stride of 32 leaves one pixel of 28x28
        proof="tests/models/test_fcn.py::test_parameters_by_hand",
    )(_builder(_stride))
