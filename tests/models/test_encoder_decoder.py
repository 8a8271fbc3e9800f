import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.upsampling import UPSAMPLINGS


def test_shapes_and_parameters_by_hand():
    network, shapes = create_model("encoder_decoder"), []
    for layer in [*network.encoder, *network.decoder]:
        if not isinstance(layer, nn.ReLU):
            layer.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 1, 28, 28)
    down, up = [(32, 14, 14), (64, 7, 7), (128, 4, 4)], [(64, 8, 8), (32, 16, 16), (1, 32, 32)]
    assert shapes == [*down, (2048,), (32,), (2048,), (128, 4, 4), *up]
    encoder = (9 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 128 + 128) + (2048 * 32 + 32)
    decoder = (32 * 2048 + 2048) + (9 * 128 * 64 + 64) + (9 * 64 * 32 + 32) + (9 * 32 + 1)
    assert sum(p.numel() for p in network.parameters()) == encoder + decoder == 318_369


@pytest.mark.parametrize("code", [1, 3])
def test_the_output_depends_on_the_code_alone(code):
    torch.manual_seed(0)
    args = {"input_shape": (1, 12, 12), "code": code, "width": 0.25}
    network = create_model("encoder_decoder", **args).double()
    x = torch.rand(1, 1, 12, 12, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(network, x).reshape(144, 144)
    assert torch.linalg.matrix_rank(jacobian, rtol=1e-10) == code
    assert network.encoder(x).shape == (1, code)


@pytest.mark.parametrize("name", UPSAMPLINGS)
@pytest.mark.parametrize("size", [(28, 28), (29, 35), (5, 64)])
def test_every_up_sampling_and_any_sides(name, size):
    args = {"input_shape": (3, *size), "num_classes": 2, "upsampling": name, "width": 0.125}
    network = create_model("encoder_decoder", **args)
    assert network(torch.rand(2, 3, *size)).shape == (2, 2, *size)


def test_arms_of_up_sampling_have_equal_parameters():
    networks = {name: create_model("encoder_decoder", upsampling=name) for name in UPSAMPLINGS}
    del networks["pixel_shuffle"]  # it has four times the maps
    assert len({sum(p.numel() for p in net.parameters()) for net in networks.values()}) == 1
    with pytest.raises(DlgbenchError, match="no up-sampling is called 'bicubic'"):
        create_model("encoder_decoder", upsampling="bicubic")


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_kernels_of_the_decoder(kernel):
    network = create_model("encoder_decoder", kernel=kernel)
    count = sum(p.numel() for p in network.decoder.parameters())
    windows = 128 * 64 + 64 * 32 + 32
    assert count == (32 * 2048 + 2048) + kernel**2 * windows + (64 + 32 + 1)
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 1, 28, 28)
