"""LeNet-5 (slide "CNNs, late 1980's: LeNet")."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dlgbench.models.common import image_shape, scaled
from dlgbench.registry import register_model


@register_model(
    "lenet5",
    family="LeNet",
    year=1998,
    paper="LeCun et al. 1998, Proc. IEEE 86, Figure 2",
    proof="tests/models/test_lenet.py::test_layers_by_hand",
)
def lenet5(
    input_shape: Sequence[int] = (1, 32, 32), num_classes: int = 10, *, width: float = 1.0
) -> nn.Sequential:
    """LeNet-5 in its common form, with 61,706 parameters.

    Layers C1 S2 C3 S4 C5 F6 and the logits: C are convolutions, S average poolings, F is linear.
    A tanh follows each C and F.

    Shapes: (B, 1, 32, 32) -> C1 5x5 (B, 6, 28, 28) -> S2 (B, 6, 14, 14) -> C3 5x5 (B, 16, 10, 10)
    -> S4 (B, 16, 5, 5) -> C5 5x5 (B, 120, 1, 1) -> F6 (B, 84) -> (B, num_classes). Images with a
    side below 32 are padded by 2 on each side, so that 28x28 becomes the paper's 32x32. For larger
    images C5 gives more than one position; for smaller ones its kernel is as large as S4's map.

    The paper's network has 60,000 parameters and differs in four ways. Each C3 map sees 3, 4 or 6
    of the 6 maps (Table I: 1,516 parameters, here 2,416). Each S map has a coefficient, a bias and
    a sigmoid (12 + 32 parameters, here none). The activation is 1.7159 tanh(2 a / 3). The output is
    the distance to fixed codes (no parameters, here a linear layer of 850).

    Raises:
        DlgbenchError: for a shape other than (C, H, W) with sides of at least 12.
    """
    channels, *sides = image_shape("lenet5", input_shape, least=12)
    padding = 2 if min(sides) < 32 else 0
    s4 = [((side + 2 * padding - 4) // 2 - 4) // 2 for side in sides]
    window = [min(5, side) for side in s4]
    c1, c3, c5, f6 = (scaled(units, width) for units in (6, 16, 120, 84))
    return nn.Sequential(
        nn.Conv2d(channels, c1, 5, padding=padding),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(c1, c3, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(c3, c5, (window[0], window[1])),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(c5 * (s4[0] - window[0] + 1) * (s4[1] - window[1] + 1), f6),
        nn.Tanh(),
        nn.Linear(f6, num_classes),
    )
