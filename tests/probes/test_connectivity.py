import numpy as np
import pytest
from scipy.linalg import toeplitz
from torch import nn

from dlgbench.probes.connectivity import connectivity
from dlgbench.probes.subject import Subject


@pytest.fixture(scope="module")
def measured():
    return connectivity(Subject(nn.Identity(), (1,)))


def test_counts_are_the_slides(measured):
    counts = [measured.metrics[f"connectivity/{name}"] for name in ("full", "local", "shared")]
    assert counts == [200**2 * 40_000, 40_000 * 10**2, 10**2]
    assert measured.metrics["connectivity/numbers"] == 3 * 3


def test_a_convolution_is_its_matrix_and_the_sabotage_is_not(measured):
    assert measured.metrics["connectivity/matrix"] < 1e-14
    assert measured.metrics["connectivity/unshared"] > 0.1


def test_the_drawn_convolution_is_scipys_toeplitz_matrix(measured):
    full, local, shared = (
        measured.arrays[f"connectivity/{name}"] for name in ("full", "local", "shared")
    )
    row = np.zeros(16, np.float32)
    row[:3] = shared[0, :3]
    assert np.array_equal(shared, toeplitz(np.r_[row[0], np.zeros(13)], row).astype(np.float32))
    assert np.array_equal(local, np.where(shared != 0, full, 0))
    assert (len(np.unique(full)), len(np.unique(local)) - 1) == (14 * 16, 14 * 3)
