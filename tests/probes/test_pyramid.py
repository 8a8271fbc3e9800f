import numpy as np
import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.probes.pyramid import pyramid
from dlgbench.probes.subject import Subject

X = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def measured(model):
    network = create_model(model, input_shape=(1, 16, 16), levels=2)
    return pyramid(Subject(network, (1, 16, 16), (X, X)))


def test_haar_loses_the_variance_within_squares():
    metrics, x = measured("haar_pyramid").metrics, X.double().numpy()
    total = np.square(x - x.mean((1, 2, 3), keepdims=True)).sum()
    for name, side in (("lost_1", 2), ("lost_2", 4), ("lost_all", 4)):
        squares = x.reshape(3, 16 // side, side, 16 // side, side)
        within = np.square(squares - squares.mean((2, 4), keepdims=True)).sum()
        assert metrics[f"pyramid/{name}"] == pytest.approx(within / total)
    assert metrics["pyramid/lost_noise"] == pytest.approx(0.75, abs=0.05)
    assert metrics["pyramid/parseval"] < 1e-12
    assert metrics["pyramid/dropped"] < 1e-12


def test_both_reconstruct_and_neither_with_turned_details():
    for model in ("haar_pyramid", "laplacian_pyramid"):
        measurement = measured(model)
        assert measurement.metrics["pyramid/error"] < 1e-12
        assert measurement.metrics["pyramid/sabotaged"] > 0.1
        assert len(measurement.curves["pyramid/lost"]) == 2
    assert measurement.metrics["pyramid/parseval"] > 0.01  # Laplacian bands are not orthogonal


def test_what_is_no_pyramid_is_refused():
    with pytest.raises(DlgbenchError, match="expected a pyramid of at least 2 levels, got Ident"):
        pyramid(Subject(nn.Identity(), (1, 16, 16), (X, X)))
