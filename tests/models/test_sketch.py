import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model

LAYERS = [  # kernel, stride, maps, side of the output for 424x424
    *[
        (5, 2, 48, 212),
        (3, 1, 128, 212),
        (3, 1, 128, 212),
        (3, 2, 256, 106),
        (3, 1, 256, 106),
        (3, 1, 256, 106),
        (3, 2, 256, 53),
    ],
    *[
        (3, 1, 512, 53),
        (3, 1, 1024, 53),
        (3, 1, 1024, 53),
        (3, 1, 1024, 53),
        (3, 1, 1024, 53),
        (3, 1, 512, 53),
        (3, 1, 256, 53),
    ],
    *[
        (4, 0.5, 256, 106),
        (3, 1, 256, 106),
        (3, 1, 128, 106),
        (4, 0.5, 128, 212),
        (3, 1, 128, 212),
        (3, 1, 48, 212),
    ],
    *[(4, 0.5, 48, 424), (3, 1, 24, 424), (3, 1, 1, 424)],
]


def weighted(network):
    return [layer for layer in network.body if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


def test_layers_and_parameters_by_hand():
    with torch.device("meta"):
        networks = {
            norm: create_model("sketch_simplification", norm=norm) for norm in ("none", "batch")
        }
        found = []
        for layer in weighted(networks["batch"]):
            stride = 0.5 if isinstance(layer, nn.ConvTranspose2d) else 1
            layer.register_forward_hook(
                lambda layer, _, out, stride=stride: found.append(
                    (
                        layer.kernel_size[0],
                        stride if stride < 1 else layer.stride[0],
                        layer.out_channels,
                        out.shape[2],
                    )
                )
            )
        assert networks["batch"](torch.empty(1, 1, 424, 424)).shape == (1, 1, 424, 424)
    assert found == LAYERS
    assert len(LAYERS) == 23
    inputs = [1, *(maps for _, _, maps, _ in LAYERS)]
    plain = sum(
        kernel**2 * before * maps + maps
        for before, (kernel, _, maps, _) in zip(inputs, LAYERS, strict=False)
    )
    assert sum(p.numel() for p in networks["none"].parameters()) == plain == 44_829_745
    normalized = plain + sum(
        maps for _, _, maps, _ in LAYERS[:-1]
    )  # beta in place of the bias, and gamma
    assert sum(p.numel() for p in networks["batch"].parameters()) == normalized == 44_837_465


@torch.no_grad()
def test_normalizations_fold_into_the_convolutions():
    torch.manual_seed(0)
    batch, none = (
        create_model("sketch_simplification", norm=norm, width=0.05).double()
        for norm in ("batch", "none")
    )
    x = torch.rand(2, 1, 48, 40, dtype=torch.float64)
    norms = [layer for layer in batch.body if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of x
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_(0, 0.1)
    batch(x)
    for source, norm, target in zip(weighted(batch), [*norms, None], weighted(none), strict=True):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt() if norm else torch.ones(1)
        axis = 1 if isinstance(source, nn.ConvTranspose2d) else 0
        target.weight.copy_(
            source.weight * scale.reshape([-1 if k == axis else 1 for k in range(4)])
        )
        target.bias.copy_(norm.bias - norm.running_mean * scale if norm else source.bias)
    assert (none(x) - batch.eval()(x)).abs().max() < 1e-12
    assert batch(x).std() > 0.01


@pytest.mark.parametrize("size", [(28, 28), (57, 40)])
def test_any_sides_and_values_of_an_image(size):
    out = create_model("sketch_simplification", input_shape=(3, *size), width=0.05)(
        torch.rand(2, 3, *size)
    )
    assert out.shape == (2, 1, *size)
    assert 0 <= out.min() <= out.max() <= 1
    with pytest.raises(DlgbenchError, match="no norm is called 'layer'"):
        create_model("sketch_simplification", norm="layer")
