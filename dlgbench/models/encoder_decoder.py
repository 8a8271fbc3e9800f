"""Image to code to image, an autoencoder.

Slide "Encoder-decoder": the vector in the middle is a very compact and abstract "code".
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dlgbench.layers.upsampling import crop, upsample
from dlgbench.models.common import he, image_shape, scaled
from dlgbench.registry import register_model


class EncoderDecoder(nn.Module):
    """decoder(encoder(x)), cropped to x's size."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, num_classes, H, W)."""
        return crop(self.decoder(self.encoder(x)), x)


@register_model(
    "encoder_decoder",
    family="Encoder-decoder",
    year=2006,
    paper="Hinton & Salakhutdinov 2006, Science 313; with convolutions: Masci et al. 2011, ICANN",
    task="image_to_image",
    proof="tests/models/test_encoder_decoder.py::test_the_output_depends_on_the_code_alone",
)
def encoder_decoder(
    input_shape: Sequence[int] = (1, 28, 28),
    num_classes: int = 1,
    *,
    code: int = 32,
    upsampling: str = "transposed",
    kernel: int = 3,
    width: float = 1.0,
) -> EncoderDecoder:
    """Image -> vector of `code` units -> image of `num_classes` channels.

    Encoder: three 3x3 convolutions of stride 2 with 32, 64, 128 maps, each with a ReLU; a linear
    layer to the code. Decoder: a linear layer from the code, with a ReLU; up-samplings by 2 to 64
    and 32 maps, each with a ReLU; one to the image.

    The initial weights of layers before a ReLU are He's (2015), with zero biases; those of the
    layer that gives the code and of the last layer are torch's.

    Shapes: (B, 1, 28, 28) -> (B, 32, 14, 14) -> (B, 64, 7, 7) -> (B, 128, 4, 4) -> code (B, 32)
    -> (B, 128, 4, 4) -> (B, 64, 8, 8) -> (B, 32, 16, 16) -> (B, num_classes, 32, 32), cropped to
    28x28. Any sides; because of the linear layers a built network takes images of those sides only.

    Args:
        input_shape, num_classes: shape of an image, channels of the output.
        code: number of units of the code, which `width` does not scale.
        upsampling: a name of `dlgbench.layers.upsampling`.
        kernel: side of the kernels of the up-samplings.
        width: scales the numbers of maps.

    Raises:
        DlgbenchError: for an unknown up-sampling, or a shape other than (C, H, W).
    """
    channels, *sides = image_shape("encoder_decoder", input_shape)
    a, b, c = (scaled(maps, width) for maps in (32, 64, 128))
    coarse = [-(-side // 8) for side in sides]
    units = c * coarse[0] * coarse[1]
    encoder: list[nn.Module] = []
    for maps in (a, b, c):
        encoder += [nn.Conv2d(channels, maps, 3, stride=2, padding=1), nn.ReLU()]
        channels = maps
    decoder: list[nn.Module] = [nn.Linear(code, units), nn.ReLU(), nn.Unflatten(1, (c, *coarse))]
    for maps in (b, a):
        decoder += [upsample(upsampling, channels, maps, kernel=kernel), nn.ReLU()]
        channels = maps
    hidden = nn.Sequential(*encoder), nn.Sequential(*decoder)
    for layers in hidden:
        he(layers)
    return EncoderDecoder(
        nn.Sequential(*hidden[0], nn.Flatten(), nn.Linear(units, code)),
        nn.Sequential(*hidden[1], upsample(upsampling, a, num_classes, kernel=kernel)),
    )
