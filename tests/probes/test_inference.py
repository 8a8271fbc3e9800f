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
    means = (0.2, 0.4, 0.6, 0.8)
    batch = bright(*means), torch.tensor([0, 0, 1, 1])
    measured = lighting(Subject(Threshold(), (1, 2, 2), batch))
    rises = [sum((a * m + b > 0.5) != (m > 0.5) for m in means) / 4 for a, b in LIGHTING]
    assert measured.curves["lighting/by_setting"] == rises
    assert measured.metrics == {
        "lighting/drop": max(rises),
        "lighting/clipped": 0.25,  # 2 * .4 - .25 = .55
        "lighting/negative": 1.0,
    }


def test_standardized_patches_do_not_see_the_lighting():
    torch.manual_seed(0)
    network = create_model("mlp", input_shape=(1, 6, 6), hidden=(8,), patch="standardize").double()
    x = torch.rand(50, 1, 6, 6, dtype=torch.float64)
    metrics = lighting(Subject(network, (1, 6, 6), (x, network(x).argmax(1)))).metrics
    assert metrics["lighting/drop"] == 0
    assert metrics["lighting/negative"] > 0


def test_averaging_tends_to_the_mean_network_and_one_pass_is_noisy():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(40, 2))
    x = torch.randn(400, 40)
    y = network.eval()(x).argmax(1)
    measured = averaging(Subject(network, (40,), (x, y)))
    assert measured.metrics["averaging/once"] == 0
    assert measured.metrics["averaging/k1"] > 0.1
    assert measured.metrics["averaging/k100"] < 0.06
    assert len(measured.curves["averaging/by_samples"]) == 7
    match = "probe averaging: expected a network with dropout or noise, got one without"
    with pytest.raises(DlgbenchError, match=match):
        averaging(Subject(nn.Linear(40, 2), (40,), (x, y)))


@pytest.mark.parametrize(("layer", "error"), [(nn.Dropout(0.75), 0.5), (GaussianNoise(0.75), 0.0)])
def test_without_scaling_units_are_too_large_after_dropout_and_not_after_gaussian_noise(
    layer, error
):
    network = nn.Sequential(nn.Flatten(), layer, nn.Linear(1, 2))
    # class 1 where x > 1; without scaling where 4 x > 1
    network[2].weight.data = torch.tensor([[0.0], [1.0]])
    network[2].bias.data = torch.tensor([1.0, 0.0])
    x = torch.tensor([0.1, 0.2, 0.3, 0.5, 0.6, 2.0])[:, None]
    metrics = averaging(Subject(network, (1,), (x, (x[:, 0] > 1).long()))).metrics
    assert metrics["averaging/unscaled"] == error


def test_the_averages_of_more_samples_continue_those_of_fewer():
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(40, 2))
    x, y = torch.randn(200, 40), torch.randint(2, (200,))
    torch.manual_seed(5)
    measured = averaging(Subject(network, (40,), (x, y)))
    torch.manual_seed(5)
    expected = float((monte_carlo(network, x, 100).argmax(1) != y).double().mean())
    assert measured.metrics["averaging/k100"] == expected
    assert measured.curves["averaging/by_samples"][-1] == expected


def test_lighting_refuses_standardized_images():
    x, y = bright(-1.0, 2.0), torch.tensor([0, 1])
    match = r"probe lighting: expected images in \[0, 1\] .*, got .* \(1, 2, 2\) from -1 to 2"
    with pytest.raises(DlgbenchError, match=match):
        lighting(Subject(Threshold(), (1, 2, 2), (x, y)))


def test_perfect_is_all_or_nothing():
    x, y = bright(0.2, 0.8), torch.tensor([0, 1])
    assert perfect(Subject(Threshold(), (1, 2, 2), (x, y))).metrics == {"perfect": 1.0}
    assert perfect(Subject(Threshold(), (1, 2, 2), (x, y.flip(0)))).metrics == {"perfect": 0.0}
