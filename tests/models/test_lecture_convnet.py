import pytest
import torch
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import weighted


def test_layers_by_hand():
    network = create_model("lecture_convnet")
    counts = [8 * 16 + 8, 16 * 8 * 16 + 16, 32 * 16 * 16 + 32, 50 * 288 + 50, 10 * 50 + 10]
    assert [layer.weight.numel() + layer.bias.numel() for layer in weighted(network)] == counts
    assert sum(p.numel() for p in network.parameters()) == sum(counts) == 25_384
    x, shapes = torch.zeros(2, 1, 28, 28), []
    for layer in network:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[::2] == [(8, 14, 14), (16, 7, 7), (32, 3, 3), (288,), (50,)]
    assert shapes[-1] == (10,)


def test_it_is_its_equation():
    network = create_model("lecture_convnet").double()
    x, parameters = torch.rand(3, 1, 28, 28, dtype=torch.float64), list(network.parameters())
    z = x
    for kernel, bias in zip(parameters[:6:2], parameters[1:6:2], strict=True):
        padded = F.pad(z, (1, 1, 1, 1))
        windows = padded.unfold(2, 4, 2).unfold(3, 4, 2)  # (B, C, H / 2, W / 2, 4, 4)
        z = (torch.einsum("bchwij,ocij->bohw", windows, kernel) + bias[:, None, None]).clamp(min=0)
    w4, b4, w5, b5 = parameters[6:]
    z = (z.reshape(3, 288) @ w4.T + b4).clamp(min=0)
    assert torch.allclose(network(x), z @ w5.T + b5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 14, 28), (3, 36, 33)])
def test_other_images_and_widths(shape):
    network = create_model("lecture_convnet", input_shape=shape, num_classes=7, width=0.5)
    assert network(torch.zeros(2, *shape)).shape == (2, 7)
    assert [layer.weight.shape[0] for layer in weighted(network)] == [4, 8, 16, 25, 7]


def test_batch_normalization_stands_before_each_relu_and_starts_from_the_same_weights():
    torch.manual_seed(0)
    plain = create_model("lecture_convnet")
    torch.manual_seed(0)
    network = create_model("lecture_convnet", norm="batch")
    kinds = [type(layer).__name__ for layer in network]
    assert kinds[:9] == 3 * ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds[9:] == ["Flatten", "Linear", "BatchNorm1d", "ReLU", "Linear"]
    pairs = zip(weighted(plain), weighted(network), strict=True)
    assert all(torch.equal(a.weight, b.weight) for a, b in pairs)
    with pytest.raises(DlgbenchError, match="norm"):
        create_model("lecture_convnet", norm="layer")


def test_what_is_no_image_is_refused():
    wanted = r"lecture_convnet: expected images .* at least 8, got input_shape \(1, 7, 28\)"
    with pytest.raises(DlgbenchError, match=wanted):
        create_model("lecture_convnet", input_shape=(1, 7, 28))
