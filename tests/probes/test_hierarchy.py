import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.hierarchy import exemplars, linear_probes
from dlgbench.probes.subject import Subject


class Square(nn.Module):
    """(x, y) -> (x^2, y^2): makes a circle a line."""

    def forward(self, x):
        return x.square()


def test_a_layer_that_separates_the_classes_has_a_higher_accuracy():
    x = torch.randn(800, 2, generator=torch.Generator().manual_seed(0))
    y = (x.square().sum(1) > 1.4).long()
    network = nn.Sequential(nn.LeakyReLU(0.999), Square(), nn.ReLU(), nn.Linear(2, 2))
    measured = linear_probes(Subject(network, (2,), (x, y)))
    first, last = measured.metrics["hierarchy/first"], measured.metrics["hierarchy/last"]
    assert first < 0.65
    assert last > 0.8
    assert measured.metrics["hierarchy/rise"] == pytest.approx(last - first)
    assert measured.curves["hierarchy/by_layer"] == [first, last]


def test_a_classifier_is_scored_on_images_that_it_was_not_fitted_on():
    x = torch.tensor([[-1.0], [1.0]]).repeat(20, 1)
    positive = (x[:, 0] > 0).long()
    network = nn.Sequential(nn.LeakyReLU(0.5), nn.LeakyReLU(0.5))
    for y, score in (
        (positive, 1.0),
        (torch.cat([positive[:20], 1 - positive[20:]]), 0.0),  # the second half contradicts
    ):
        measured = linear_probes(Subject(network, (1,), (x, y)))
        assert measured.curves["hierarchy/by_layer"] == [score, score]


def test_one_hidden_layer_has_no_rise():
    network = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    batch = torch.zeros(4, 2), torch.zeros(4).long()
    with pytest.raises(DlgbenchError, match="at least two activation layers, got 1"):
        linear_probes(Subject(network, (2,), batch))


def test_the_images_that_excite_a_unit_and_those_that_look_alike():
    layer = nn.Linear(6, 5, bias=False)
    # unit 0 is dead, unit k sees pixel k - 1
    layer.weight.data = torch.cat([torch.zeros(1, 6), torch.eye(4, 6)])
    x = torch.rand(12, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    x[7] = x[0] + 0.001  # looks like the first
    y = torch.arange(12) % 2
    network = nn.Sequential(nn.Flatten(), layer, nn.ReLU(), nn.Linear(5, 2))
    measured = exemplars(Subject(network, (1, 2, 3), (x, y)))
    assert not measured.metrics
    assert {name: values.shape for name, values in measured.arrays.items()} == {
        "exemplars/top": (1, 4, 4, 1, 2, 3),
        "exemplars/query": (2, 1, 2, 3),
        "exemplars/nearest": (1, 2, 4, 1, 2, 3),
        "exemplars/nearest_same": (1, 2, 4),
    }
    pixels = x.flatten(1).numpy()
    top = measured.arrays["exemplars/top"].reshape(4, 4, 6)  # unit, image, pixel
    for pixel in range(4):
        expected = np.sort(pixels[:, pixel])[::-1][:4]
        np.testing.assert_array_equal(top[pixel, :, pixel], expected)
    nearest = measured.arrays["exemplars/nearest"]
    np.testing.assert_array_equal(nearest[0, 0, 0], x[7])
    assert measured.arrays["exemplars/nearest_same"][0, 0, 0] == 0  # 7 is odd
    np.testing.assert_array_equal(measured.arrays["exemplars/query"], x[:2])


def test_what_has_no_exemplars_is_refused():
    x, y = torch.rand(12, 1, 2, 2), torch.zeros(12).long()
    with pytest.raises(DlgbenchError, match="at least one activation layer, got none"):
        exemplars(Subject(nn.Flatten(), (1, 2, 2), (x, y)))
    for batch in ((x.flatten(1), y), (x, torch.zeros(12, 2, 2).long())):
        with pytest.raises(DlgbenchError, match=r"expected images \(B, C, H, W\) and one class"):
            exemplars(Subject(nn.ReLU(), batch[0].shape[1:], batch))
