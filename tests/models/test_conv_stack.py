import itertools

import pytest
import torch
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.registry import MODELS


def test_a_dilated_stack_is_its_equation():
    args = {"input_shape": (2, 9, 11), "num_classes": 3, "channels": 4, "dilations": (1, 2, 4)}
    network = create_model("conv_stack", **args).double()
    x, parameters = torch.rand(2, 2, 9, 11, dtype=torch.float64), list(network.parameters())
    out = x
    for k, d in enumerate((1, 2, 4)):
        w, b = parameters[2 * k : 2 * k + 2]
        padded, total = F.pad(out, (d, d, d, d)), b[:, None, None]
        for i, j in itertools.product(range(3), range(3)):
            shifted = padded[:, :, i * d : i * d + 9, j * d : j * d + 11]
            total = total + torch.einsum("oc,bchw->bohw", w[:, :, i, j], shifted)
        out = total.clamp(min=0) if k < 2 else total
    assert torch.allclose(network(x), out, rtol=0, atol=1e-12)


def test_width_scales_the_channels_between():
    args = {"input_shape": (3, 8, 8), "num_classes": 5, "channels": 8, "width": 0.25}
    parameters = create_model("conv_stack", **args).parameters()
    assert [tuple(p.shape[:2]) for p in parameters if p.dim() == 4] == [(2, 3), (2, 2), (5, 2)]
    assert MODELS["conv_stack"].task == "segmentation"


def test_kernels_have_their_sides_and_without_padding_the_maps_shrink():
    args = {"input_shape": (1, 12, 12), "dilations": (1, 2), "kernels": (5, 3), "num_classes": 1}
    padded, valid = (create_model("conv_stack", **args, padding=p).double() for p in (True, False))
    valid.load_state_dict(padded.state_dict())
    assert [layer.kernel_size for layer in (padded[0], padded[2])] == [(5, 5), (3, 3)]
    x = torch.rand(2, 1, 12, 12, dtype=torch.float64)
    assert padded(x).shape == (2, 1, 12, 12)
    assert torch.allclose(valid(x), padded(x)[..., 4:-4, 4:-4], rtol=0, atol=1e-12)
    with pytest.raises(DlgbenchError, match=r"expected 2 odd sides, .* got \[4, 3\]"):
        create_model("conv_stack", dilations=(1, 1), kernels=(4, 3))
