"""Where in an image the middle unit looks, to be drawn.

Slide "Receptive field arithmetic".
"""

from __future__ import annotations

import numpy as np
import torch

from dlgbench.probes.receptive_field import trunk_of
from dlgbench.probes.subject import Measurement, Subject, on_meta

LARGEST = 128  # side of the recorded image


def field_over_input(subject: Subject) -> Measurement:
    """The field of the last map's middle unit over an input of the network's own size.

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
    frame = [height, width, *traced.rows.at(rows // 2), *traced.columns.at(columns // 2)]
    shown = min(height, LARGEST), min(width, LARGEST)
    image = resize(camera(), shown, anti_aliasing=True, preserve_range=True)
    return Measurement(
        arrays={
            "field_over_input/image": image.round().astype(np.uint8),
            "field_over_input/frame": np.array(frame, np.int64),
        }
    )
