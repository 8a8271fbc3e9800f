import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.hierarchy import exemplars, linear_probes
from dlgbench.probes.subject import Subject


class Radius(nn.Module):
    """(x, y) -> (x^2, y^2): what makes a circle a line."""

    def forward(self, x):
        return x.square()


def test_a_layer_that_untangles_the_classes_reads_better():
    x = torch.randn(800, 2, generator=torch.Generator().manual_seed(0))
    y = (x.square().sum(1) > 1.4).long()
    network = nn.Sequential(nn.LeakyReLU(0.999), Radius(), nn.ReLU(), nn.Linear(2, 2))
    figures, curves = linear_probes(Subject(network, (2,), (x, y)))
    assert figures["hierarchy/first"] < 0.65
    assert figures["hierarchy/last"] > 0.8
    assert figures["hierarchy/rise"] == pytest.approx(
        figures["hierarchy/last"] - figures["hierarchy/first"]
    )
    assert curves["hierarchy/by_layer"] == [figures["hierarchy/first"], figures["hierarchy/last"]]


def test_one_hidden_layer_has_no_rise():
    with pytest.raises(DlgbenchError, match="at least two hidden layers; 1 came"):
        linear_probes(
            Subject(
                nn.Sequential(nn.ReLU(), nn.Linear(2, 2)),
                (2,),
                (torch.zeros(4, 2), torch.zeros(4).long()),
            )
        )


def test_the_images_that_excite_a_unit_and_that_look_alike():
    layer = nn.Linear(4, 5, bias=False)
    layer.weight.data = torch.cat(
        [torch.zeros(1, 4), torch.eye(4)]
    )  # unit 0 is dead, units 1 ... 4 see a pixel each
    x = torch.rand(12, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    x[7] = x[0] + 0.001  # looks like the first
    y = torch.arange(12) % 2
    subject = Subject(
        nn.Sequential(nn.Flatten(), layer, nn.ReLU(), nn.Linear(5, 2)),
        (1, 2, 2),
        (x, y),
        pictures=True,
    )
    figures, curves = exemplars(subject)
    assert figures == {
        "exemplars/layers": 1,
        "exemplars/units": 4,
        "exemplars/images": 4,
        "exemplars/queries": 2,
        "exemplars/side": 2,
    }
    top = torch.tensor(curves["exemplars/top"]).view(4, 4, 4)  # unit, image, pixel
    for pixel in range(4):
        torch.testing.assert_close(
            top[pixel, :, pixel], x[:, 0].flatten(1)[:, pixel].sort(descending=True).values[:4]
        )
    nearest = torch.tensor(curves["exemplars/nearest"]).view(2, 4, 4)
    torch.testing.assert_close(nearest[0, 0], x[7].flatten())
    assert curves["exemplars/nearest_same"][0] == 0  # 7 is odd
    torch.testing.assert_close(torch.tensor(curves["exemplars/query"]).view(2, 4), x[:2].flatten(1))
    with pytest.raises(DlgbenchError, match="at least one hidden layer; none"):
        exemplars(Subject(nn.Flatten(), (1, 2, 2), (x, y)))
    with pytest.raises(DlgbenchError, match="wants square images"):
        exemplars(Subject(nn.ReLU(), (4,), (x.flatten(1), y)))
