import itertools

import torch
from torch.nn import functional as F

from dlgbench import create_model
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
