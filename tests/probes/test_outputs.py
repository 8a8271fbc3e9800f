import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.outputs import outputs
from dlgbench.probes.subject import Subject


def test_images_are_spread_over_the_split():
    x = torch.arange(10.0)[:, None, None, None].expand(10, 1, 2, 3)
    arrays = outputs(Subject(nn.Identity(), (1, 2, 3), (x, x + 0.5))).arrays
    assert arrays["outputs/input"].shape == (4, 1, 2, 3)
    assert arrays["outputs/input"][:, 0, 0, 0].tolist() == [0, 3, 6, 9]
    np.testing.assert_array_equal(arrays["outputs/image"], arrays["outputs/input"])
    np.testing.assert_array_equal(arrays["outputs/target"], arrays["outputs/input"] + 0.5)
    few = outputs(Subject(nn.Identity(), (1, 2, 3), (x[:2], x[:2]))).arrays
    assert few["outputs/image"][:, 0, 0, 0].tolist() == [0, 1]


def test_the_network_is_in_evaluation_mode():
    x = torch.ones(4, 1, 2, 2)
    arrays = outputs(Subject(nn.Dropout(0.9), (1, 2, 2), (x, x))).arrays
    assert arrays["outputs/image"].tolist() == x.tolist()


def test_what_is_no_image_is_refused():
    x = torch.ones(4, 1, 2, 2)
    match = r"expected outputs and targets .*, got shapes \(4, 4\) and \(4, 1, 2, 2\)"
    with pytest.raises(DlgbenchError, match=match):
        outputs(Subject(nn.Flatten(), (1, 2, 2), (x, x)))
    with pytest.raises(DlgbenchError, match=r"for an input \(4, 1, 2, 2\)"):
        outputs(Subject(nn.Upsample(scale_factor=2), (1, 2, 2), (x, torch.ones(4, 1, 4, 4))))
