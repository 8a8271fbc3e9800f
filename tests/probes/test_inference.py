import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.noise import GaussianNoise, monte_carlo
from dlgbench.probes.inference import LIGHTING, averaging, lighting, perfect
from dlgbench.probes.subject import Subject


class Threshold(nn.Module):
    """Class 1 where the image's mean is above 1/2."""

    def forward(self, x):
        z = x.flatten(1).mean(1) - 0.5
        return torch.stack([-z, z], 1)


def bright(*means):
    return torch.tensor(means)[:, None, None, None].expand(-1, 1, 2, 2).contiguous()


def test_lighting_by_hand():
    x, y = bright(0.2, 0.4, 0.6, 0.8), torch.tensor([0, 0, 1, 1])
    figures, curves = lighting(Subject(Threshold(), (1, 2, 2), (x, y)))
    wanted = [
        sum((a * m + b > 0.5) != (m > 0.5) for m in (0.2, 0.4, 0.6, 0.8)) / 4 for a, b in LIGHTING
    ]
    assert curves["lighting/by_setting"] == wanted
    assert figures == {
        "lighting/drop": max(wanted),
        "lighting/clipped": 0.25,
        "lighting/negative": 1.0,
    }  # 2 * .4 - .25 = .55


def test_standardized_patches_do_not_see_the_lighting():
    torch.manual_seed(0)
    network = create_model("mlp", input_shape=(1, 6, 6), hidden=(8,), patch="standardize").double()
    x = torch.rand(50, 1, 6, 6, dtype=torch.float64)
    figures, _ = lighting(Subject(network, (1, 6, 6), (x, network(x).argmax(1))))
    assert figures["lighting/drop"] == 0
    assert figures["lighting/negative"] > 0


def test_averaging_tends_to_the_mean_network_and_one_pass_is_noisy():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(40, 2))
    x = torch.randn(400, 40)
    y = network.eval()(x).argmax(1)
    figures, curves = averaging(Subject(network, (40,), (x, y)))
    assert figures["averaging/once"] == 0
    assert figures["averaging/k1"] > 0.1
    assert figures["averaging/k100"] < 0.06
    assert len(curves["averaging/by_samples"]) == 7
    with pytest.raises(
        DlgbenchError, match="probe averaging wants a network with dropout or noise"
    ):
        averaging(Subject(nn.Linear(40, 2), (40,), (x, y)))


def test_without_scaling_the_units_after_dropout_are_too_large_and_gaussian_noise_needs_no_scaling():
    for layer, wanted in ((nn.Dropout(0.75), 0.5), (GaussianNoise(0.75), 0.0)):
        network = nn.Sequential(nn.Flatten(), layer, nn.Linear(1, 2))
        network[2].weight.data, network[2].bias.data = (
            torch.tensor([[0.0], [1.0]]),
            torch.tensor([1.0, 0.0]),
        )  # class 1 where x > 1, unscaled 4 x > 1
        x, y = (
            torch.tensor([0.1, 0.2, 0.3, 0.5, 0.6, 2.0])[:, None],
            torch.tensor([0, 0, 0, 0, 0, 1]),
        )
        assert averaging(Subject(network, (1,), (x, y)))[0]["averaging/unscaled"] == wanted


def test_the_averages_of_more_samples_go_on_from_those_of_fewer():
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(40, 2))
    x, y = torch.randn(200, 40), torch.randint(2, (200,))
    torch.manual_seed(5)
    figures, curves = averaging(Subject(network, (40,), (x, y)))
    torch.manual_seed(5)
    wanted = float((monte_carlo(network, x, 100).argmax(1) != y).double().mean())
    assert figures["averaging/k100"] == curves["averaging/by_samples"][-1] == wanted


def test_perfect_is_all_or_nothing():
    x, y = bright(0.2, 0.8), torch.tensor([0, 1])
    assert perfect(Subject(Threshold(), (1, 2, 2), (x, y)))[0] == {"perfect": 1.0}
    assert perfect(Subject(Threshold(), (1, 2, 2), (x, y.flip(0))))[0] == {"perfect": 0.0}
