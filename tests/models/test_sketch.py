import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model

LAYERS = [  # kernel, stride, maps, side of the output for 424x424; one line is one resolution
    *[(5, 2, 48, 212), (3, 1, 128, 212), (3, 1, 128, 212)],
    *[(3, 2, 256, 106), (3, 1, 256, 106), (3, 1, 256, 106)],
    *[(3, 2, 256, 53), (3, 1, 512, 53), *[(3, 1, 1024, 53)] * 4, (3, 1, 512, 53), (3, 1, 256, 53)],
    *[(4, 0.5, 256, 106), (3, 1, 256, 106), (3, 1, 128, 106)],
    *[(4, 0.5, 128, 212), (3, 1, 128, 212), (3, 1, 48, 212)],
    *[(4, 0.5, 48, 424), (3, 1, 24, 424), (3, 1, 1, 424)],
]


def weighted(network):
    return [layer for layer in network.body if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


def test_layers_and_parameters_by_hand():
    layers = []

    def record(layer, _, out):
        stride = 1 / 2 if isinstance(layer, nn.ConvTranspose2d) else layer.stride[0]
        layers.append((layer.kernel_size[0], stride, layer.out_channels, out.shape[2]))

    with torch.device("meta"):
        none, batch = (create_model("sketch_simplification", norm=n) for n in ("none", "batch"))
        for layer in weighted(batch):
            layer.register_forward_hook(record)
        assert batch(torch.empty(1, 1, 424, 424)).shape == (1, 1, 424, 424)
    assert layers == LAYERS
    assert len(LAYERS) == 23
    maps = [1, *(layer[2] for layer in LAYERS)]
    plain = 0
    for (kernel, *_), inputs, outputs in zip(LAYERS, maps[:-1], maps[1:], strict=True):
        plain += kernel**2 * inputs * outputs + outputs
    assert sum(p.numel() for p in none.parameters()) == plain == 44_829_745
    normalized = plain + sum(maps[1:-1])  # beta in place of the bias, and gamma
    assert sum(p.numel() for p in batch.parameters()) == normalized == 44_837_465


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
        along = [-1 if k == axis else 1 for k in range(4)]
        target.weight.copy_(source.weight * scale.reshape(along))
        target.bias.copy_(norm.bias - norm.running_mean * scale if norm else source.bias)
    assert (none(x) - batch.eval()(x)).abs().max() < 1e-12
    assert batch(x).std() > 0.01


@pytest.mark.parametrize("size", [(28, 28), (57, 40)])
def test_any_sides_and_values_of_an_image(size):
    network = create_model("sketch_simplification", input_shape=(3, *size), width=0.05)
    out = network(torch.rand(2, 3, *size))
    assert out.shape == (2, 1, *size)
    assert 0 <= out.min() <= out.max() <= 1
    with pytest.raises(DlgbenchError, match="no norm is called 'layer'"):
        create_model("sketch_simplification", norm="layer")
