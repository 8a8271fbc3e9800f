"""Where in an image a unit of the middle looks, to be drawn.

Slide "Receptive field arithmetic".
"""

from __future__ import annotations

import numpy as np
import torch

from dlgbench.probes.feature_maps import Axis, Patch
from dlgbench.probes.receptive_field import trunk_of
from dlgbench.probes.subject import Measurement, Subject, on_meta

LARGEST = 128  # side of the recorded image


def field_over_input(subject: Subject) -> Measurement:
    """The field of a unit in the middle of the last map, over an input of the network's own size.

    Where something is up-sampled, units differ in what they see: it is the first one from the
    middle on that sees most.

    Arrays: `field_over_input/image`, scikit-image's `camera` at the sides of an input (at most
    128), and `field_over_input/frame`, H, W of the input and the first and last row, first and last
    column of the field, in pixels; a field may go beyond the image.

    Raises:
        DlgbenchError: as `receptive_field.arithmetic`.
    """
    from skimage.data import camera
    from skimage.transform import resize

    traced = trunk_of(subject)
    height, width = subject.input_shape[1:]
    dtype = next(subject.network.parameters()).dtype
    x = torch.empty(1, *subject.input_shape, dtype=dtype, device="meta")
    rows, columns = on_meta(traced.network)(x).shape[2:]
    patches = _widest(traced.rows, rows // 2), _widest(traced.columns, columns // 2)
    frame = [height, width, *patches[0], *patches[1]]
    shown = min(height, LARGEST), min(width, LARGEST)
    image = resize(camera(), shown, anti_aliasing=True, preserve_range=True)
    return Measurement(
        arrays={
            "field_over_input/image": image.round().astype(np.uint8),
            "field_over_input/frame": np.array(frame, np.int64),
        }
    )


def _widest(axis: Axis, middle: int) -> Patch:
    patches = (axis.at(unit) for unit in range(middle, middle + axis.period))
    return max(patches, key=lambda patch: patch[1] - patch[0])
