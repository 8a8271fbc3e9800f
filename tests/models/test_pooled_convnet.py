import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.locally_connected import LocallyConnected2d

SHAPE = {"input_shape": (2, 11, 9), "num_classes": 3, "channels": (4, 5)}


def test_layers_by_hand():
    network = create_model("pooled_convnet", **SHAPE, windows=(2, 3)).double()
    x, parameters = torch.rand(2, 2, 11, 9, dtype=torch.float64), list(network.parameters())
    out = x
    for k, window in enumerate((2, 3)):
        w, b = parameters[2 * k : 2 * k + 2]
        padded, (rows, columns) = F.pad(out, (1, 1, 1, 1)), out.shape[2:]
        total = b[:, None, None]
        for i, j in itertools.product(range(3), range(3)):
            part = padded[:, :, i : i + rows, j : j + columns]
            total = total + torch.einsum("oc,bchw->bohw", w[:, :, i, j], part)
        rows, columns = rows // window, columns // window
        inside = total.clamp(min=0)[:, :, : rows * window, : columns * window]
        out = inside.unflatten(3, (columns, window)).unflatten(2, (rows, window)).amax((3, 5))
    weight, bias = parameters[-2:]
    assert torch.allclose(network(x), out.flatten(1) @ weight.T + bias, rtol=0, atol=1e-12)


def test_parameters_of_the_pooling_ablation():
    args = {"input_shape": (1, 14, 14), "kernel": 3}
    count = {
        window: sum(
            p.numel()
            for p in create_model("pooled_convnet", windows=(1, window), **args).parameters()
        )
        for window in (1, 2, 5)
    }
    features = 8 * 9 + 8 + 16 * 8 * 9 + 16
    assert count == {k: features + 10 * (16 * (14 // k) ** 2 + 1) for k in (1, 2, 5)}


def test_local_connections_with_equal_kernels_are_the_convolution():
    shared, local = (
        create_model("pooled_convnet", **SHAPE, connections=name).double()
        for name in ("shared", "local")
    )
    for ours, theirs in zip(local, shared, strict=True):
        if isinstance(ours, LocallyConnected2d):
            locations = len(ours.kernels())
            ours.weight.data = theirs.weight.data.repeat(locations, 1, 1, 1)
            ours.bias.data = theirs.bias.data.repeat(locations)
        elif isinstance(ours, nn.Linear):
            ours.load_state_dict(theirs.state_dict())
    x = torch.rand(2, 2, 11, 9, dtype=torch.float64)
    assert torch.allclose(local(x), shared(x), rtol=0, atol=1e-12)


def test_one_permutation_of_the_pixels_for_all_channels_and_nets():
    networks = [create_model("pooled_convnet", **SHAPE, permuted=True) for _ in range(2)]
    x = torch.arange(198.0).view(1, 2, 11, 9)
    one, other = (network[0](x) for network in networks)
    assert torch.equal(one, other)
    assert not torch.equal(one, x)
    assert torch.equal(one[:, 1], one[:, 0] + 99)
    assert torch.equal(one[0, 0].flatten().sort().values, torch.arange(99.0))
    assert torch.equal(networks[0](x), networks[0][1:](one))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"connections": "sparse"}, "sparse"),
        ({"kernel": 4}, "an odd kernel and a window for each of 2 layers, got kernel 4"),
        ({"windows": (2,)}, r"a window for each of 2 layers, got kernel 3 and windows \(2,\)"),
        ({"windows": (3, 4)}, r"windows that leave a pixel of \(2, 11, 9\), got \(3, 4\)"),
        ({"pooling": "mean"}, "mean"),
    ],
)
def test_invalid_arguments_are_refused(args, message):
    with pytest.raises(DlgbenchError, match=message):
        create_model("pooled_convnet", **SHAPE | args)
