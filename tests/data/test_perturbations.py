import numpy as np

from dlgbench.data import load
from dlgbench.data.perturbations import sharpening


def test_the_identity_and_its_perturbation_share_the_patches():
    whole, same, sharpened = (
        load(name) for name in ("photographs", "photographs_identity", "photographs_sharpened")
    )
    for split in ("pool", "test"):
        (patches, _), (x, y), (blurred, target) = (
            getattr(arrays, split) for arrays in (whole, same, sharpened)
        )
        assert x.shape == (len(patches), 1, 16, 16)
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(x, blurred)
        np.testing.assert_allclose(255 * x[:, 0], patches[:, 0, 8:24, 8:24], rtol=1e-6)
        change = np.mean((target - x) ** 2)
        assert 0 < change < 0.1 * x.var()  # small fluctuations


def test_sharpening_by_hand():
    x = np.zeros((1, 1, 3, 3), np.float32)
    x[0, 0, 1, 1] = 10
    wanted = [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]
    np.testing.assert_allclose(sharpening(x)[0, 0], wanted, atol=1e-6)
    np.testing.assert_allclose(sharpening(np.ones((1, 1, 3, 3)))[0, 0, 0], [0.2, 0.1, 0.2])
