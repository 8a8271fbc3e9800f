"""The first layer's filters beside what they answer, to look at.

Slide "Convolutional Network and Filter Visualizations".
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import is_hidden
from dlgbench.layers.initialization import weighted
from dlgbench.probes.subject import Measurement, Subject, to_array

MAPS = 16  # the most that are recorded


@torch.no_grad()
def feature_maps(subject: Subject) -> Measurement:
    """The first activation's output for the first image of the test split.

    Arrays: `feature_maps/input` (C, H, W); `feature_maps/filters` (n, C, side, side) and
    `feature_maps/maps` (n, h, w), the first layer's filters and, after the activation, what each
    makes of the image; n is at most 16.

    Raises:
        DlgbenchError: for a network without a first convolution that an activation follows.
    """
    layers = weighted(subject.network)
    first = next((module for module in subject.network.modules() if is_hidden(module)), None)
    if not layers or layers[0].weight.dim() != 4 or first is None:
        raise DlgbenchError(
            "probe feature_maps: expected a first convolution and an activation, got "
            f"{type(subject.network).__name__}"
        )
    outputs: list[Tensor] = []
    # A clone, since a later layer may work in place.
    hook = first.register_forward_hook(lambda _m, _args, out: outputs.append(out.clone()))
    x = subject.data("feature_maps")[0][:1]
    subject.network.eval()(x)
    hook.remove()
    arrays = {
        "feature_maps/input": to_array(x[0]),
        "feature_maps/filters": to_array(layers[0].weight[:MAPS]),
        "feature_maps/maps": to_array(outputs[0][0, :MAPS]),
    }
    return Measurement(arrays=arrays)
