import gc

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from dlgbench import create_model
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.probes.cost import flops, memory
from dlgbench.probes.subject import Subject


def flops_of(network, shape):
    return flops(Subject(network, shape)).metrics["flops"]


def test_flops_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 25, 7),
    )
    multiply_adds = 5 * 5 * 8 * (3 * 3 * 3) + 8 * 25 * 7
    assert flops_of(network, (3, 10, 10)) == 2 * multiply_adds


def test_flops_of_transposed_grouped_and_locally_connected_layers():
    layers = {
        nn.ConvTranspose2d(2, 3, 4, stride=2): 6 * 6 * 2 * 3 * 16,
        nn.Conv2d(2, 4, 3, groups=2): 4 * 4 * 4 * 9,
        LocallyConnected2d(2, 4, (6, 6), 3): 4 * 4 * 4 * 2 * 9,
    }
    for layer, multiply_adds in layers.items():
        assert flops_of(layer, (2, 6, 6)) == 2 * multiply_adds


@pytest.mark.parametrize(  # multiply-adds in 1e9 that torchvision publishes with its weights
    ("name", "published"),
    [
        ("resnet50", 4.089),
        ("resnet18", 1.814),
        ("alexnet", 0.714),
        ("vgg16", 15.470),
        ("googlenet", 1.498),
        ("densenet121", 2.834),
    ],
)
def test_published_multiply_adds(name, published):
    with torch.device("meta"):
        network = create_model(name)
    assert flops_of(network, (3, 224, 224)) == pytest.approx(2e9 * published, rel=0.01)


def test_heads_that_only_training_has_cost_nothing():
    with torch.device("meta"):
        with_heads, without = (create_model("googlenet", auxiliary=a) for a in (True, False))
    assert flops_of(with_heads.train(), (3, 224, 224)) == flops_of(without, (3, 224, 224))


def test_published_multiply_adds_are_torchvisions():
    weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V1
    assert weights.meta["_ops"] == pytest.approx(4.089, abs=0.001)


def test_memory_by_hand():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Sigmoid(), nn.Linear(5, 2))
    assert memory(Subject(network, (3, 2, 2))).metrics == {
        "memory/parameters": 4 * (12 * 5 + 5 + 5 * 2 + 2),
        "memory/saved": 4 * (12 + 5),  # the input, and the sigmoid's output
    }


def test_an_activation_in_place_saves_its_input():
    saved = []
    for activation in (nn.GELU(), nn.ReLU(inplace=True)):
        network = nn.Sequential(nn.Conv2d(1, 4, 3), activation, nn.Conv2d(4, 1, 3))
        saved.append(memory(Subject(network, (1, 10, 10))).metrics["memory/saved"])
    assert saved == [4 * (100 + 2 * 4 * 64), 4 * (100 + 4 * 64)]


def test_the_loss_is_counted_where_there_are_targets():
    network = nn.Conv2d(1, 3, 1)
    batch = torch.rand(8, 1, 4, 4), torch.rand(8, 3, 4, 4)
    saved = memory(Subject(network, (1, 4, 4), batch, F.mse_loss)).metrics["memory/saved"]
    assert saved == 4 * (16 + 2 * 48)  # the input, and both sides of the difference


@pytest.mark.parametrize("name", ["resnet20", "densenet_40_12", "vgg11_bn", "unet"])
def test_memory_is_what_a_real_step_keeps(name):
    torch.manual_seed(0)
    network = create_model(name, input_shape=(3, 32, 32), num_classes=4, width=0.125).train()
    x, y = torch.rand(32, 3, 32, 32), torch.randint(4, (32, 32, 32) if name == "unet" else (32,))
    gc.collect()
    kept, own = {}, {p.untyped_storage().data_ptr() for p in network.parameters()}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = F.cross_entropy(network(x), y)
    real = sum(kept.values()) / 32
    loss.backward()
    saved = memory(Subject(network, (3, 32, 32), (x, y))).metrics["memory/saved"]
    assert saved == pytest.approx(real, rel=0.01)


def test_cost_needs_neither_data_nor_a_device():
    with torch.device("meta"):
        network = create_model("resnet152")
    assert flops_of(network, (3, 224, 224)) == pytest.approx(2 * 11.51e9, rel=0.01)
    metrics = memory(Subject(network, (3, 224, 224))).metrics
    assert metrics["memory/parameters"] == 4 * 60_192_808
    assert 1e8 < metrics["memory/saved"] < 1e9
