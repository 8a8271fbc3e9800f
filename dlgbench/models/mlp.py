"""Multi-layer perceptrons.

Slides "Multi-Layer Perceptrons", "A Neural Network for Multi-way Classification".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers.activations import activation as activation_by_name
from dlgbench.layers.noise import noise as noise_by_name
from dlgbench.layers.normalization import NoisyBatchNorm1d, StandardizePatch
from dlgbench.models.common import scaled
from dlgbench.registry import register_model

NORMS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "batch": nn.BatchNorm1d,
    "noisy_batch": NoisyBatchNorm1d,
}


class Residual(nn.Module):
    """x + f(x), where f is the given layers one after another (slide "Residual Network")."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return x + self.branch(x)


@register_model(
    "mlp",
    family="MLP",
    year=1986,
    paper="Rumelhart, Hinton & Williams 1986, Nature 323",
    proof="tests/models/test_mlp.py::test_an_mlp_with_everything_is_its_equation",
)
def mlp(
    input_shape: Sequence[int] = (1, 28, 28),
    num_classes: int = 10,
    *,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    norm: str = "none",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    noise: str = "dropout",
    patch: str = "none",
    skip: bool = False,
    width: float = 1.0,
) -> nn.Sequential:
    """z^l = g(norm(W^l z^(l-1) + b^l)), logits = W z^L + b, for L = len(hidden).

    Shapes: (B, *input_shape) -> (B, num_classes).

    Args:
        input_shape, num_classes: shapes of an input and of the output.
        hidden: width of each hidden layer; () is the linear classifier.
        activation: g, a name of `dlgbench.layers.activations`.
        norm: `none`, `batch` for batch normalization before g (Ioffe & Szegedy 2015), or
            `noisy_batch` (`dlgbench.layers.normalization.NoisyBatchNorm1d`).
        dropout, input_dropout: the share of units that is *dropped* after each g, and of the
            inputs; the paper's p is the share that is kept (Srivastava et al. 2014). What is kept
            is divided by 1 - dropout in training, so that nothing is rescaled at test time.
        noise: its kind: `dropout` drops units, `gaussian` multiplies them by Gaussian noise of
            dropout's variance.
        patch: how each input image is normalized first: `none`, `mean` (subtracted) or
            `standardize` (`dlgbench.layers.normalization.StandardizePatch`).
        skip: z^l = z^(l-1) + g(norm(W^l z^(l-1) + b^l)) for each hidden layer as wide as the hidden
            layer before it; dropout acts on the second summand. No layer stands in the path of the
            identity (He et al. 2016b, ECCV, eq. 3), so that it trains at 110 layers if there is a
            norm; without one the sum of squares at least doubles in each layer under He
            initialization.
        width: scales the hidden widths.

    Raises:
        DlgbenchError: for an unknown activation, norm or noise; for a skip where no two
            neighbouring hidden layers are equally wide.
    """
    if norm not in NORMS:
        raise unknown("norm", norm, NORMS)
    if noise not in ("dropout", "gaussian"):  # spatial dropout has no channels here
        raise unknown("noise", noise, ("dropout", "gaussian"))
    hidden = [scaled(units, width) for units in hidden]
    if skip and not any(a == b for a, b in itertools.pairwise(hidden)):
        raise DlgbenchError(
            "model mlp: skip: expected two neighbouring hidden layers of equal width, "
            f"got hidden {tuple(hidden)}"
        )
    layers: list[nn.Module] = [] if patch == "none" else [StandardizePatch(patch)]
    layers.append(nn.Flatten())
    if input_dropout:
        layers.append(noise_by_name(noise, input_dropout))
    inputs = math.prod(input_shape)
    for k, units in enumerate(hidden):
        layer: list[nn.Module] = [nn.Linear(inputs, units)]
        if norm != "none":
            layer.append(NORMS[norm](units))
        layer.append(activation_by_name(activation))
        if dropout:
            layer.append(noise_by_name(noise, dropout))
        layers += [Residual(*layer)] if skip and k and inputs == units else layer
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, num_classes))
