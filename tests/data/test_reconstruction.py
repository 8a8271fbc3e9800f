import numpy as np

from dlgbench.data import load


def test_digits_are_their_own_targets_or_those_of_another():
    digits, same, apart = map(load, ("mnist5k", "mnist5k_identity", "mnist5k_shuffled"))
    for split in ("pool", "test"):
        (images, _), (x, y), (again, other) = (
            getattr(arrays, split) for arrays in (digits, same, apart)
        )
        assert np.array_equal(x, images)
        assert np.array_equal(y, images)
        assert np.array_equal(again, images)
        assert not (x == other).all((1, 2, 3)).any()
        assert sorted(map(bytes, x)) == sorted(map(bytes, other))
        rest = [pictures - pictures.mean(0) for pictures in (x / 255, other / 255)]
        assert abs(np.corrcoef(*map(np.ravel, rest))[0, 1]) < 0.02
    assert same.num_classes == apart.num_classes == 1
