import numpy as np
import pytest

from dlgbench.data import canvases, load
from dlgbench.data.arrays import Arrays

NAMES = ["dense_cue", "dense_cue_near"]


@pytest.mark.parametrize("name", NAMES)
def test_each_half_holds_one_object_of_one_class(name):
    arrays = load(name)
    for (x, y), size in ((arrays.pool, 1500), (arrays.test, 1000)):
        assert (x.shape, y.shape) == ((size, 1, 18, 36), (size, 18, 36))
        for half in (y[..., :18], y[..., 18:]):
            label = half.max((1, 2))
            assert label.min() >= 0
            assert ((half == label[:, None, None]) | (half == -1)).all()
            assert (half >= 0).mean() > 0.05
    assert arrays.num_classes == {"dense_cue": 10, "dense_cue_near": 4}[name]


def test_labelled_pixels_are_the_bright_ones_and_each_digit_is_used_once():
    digits, arrays = load("mnist5k"), load("dense_cue")
    for (x, y), (images, labels), once in (
        (arrays.pool, digits.pool, 1500),
        (arrays.test, digits.test, 1000),
    ):
        assert np.array_equal(y >= 0, x[:, 0] >= 51)
        small = images[:, 0].reshape(-1, 14, 2, 14, 2).mean((2, 4)).round().astype(np.uint8)
        cropped = {_cropped(image): label for image, label in zip(small, labels, strict=True)}
        halves = [*np.split(x[:, 0], 2, axis=2), *np.split(y, 2, axis=2)]
        left, right = zip(halves[0], halves[2], strict=True), zip(halves[1], halves[3], strict=True)
        objects = [(_cropped(half), label.max()) for half, label in (*left, *right)]
        # The test split's canvases hold digits of the test split alone.
        assert all(cropped[image] == label for image, label in objects)
        assert len({image for image, _ in objects}) == len(objects) == 2 * once


def _cropped(image):
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return cut.shape, cut.tobytes()


def _neighbourhoods(x, y, field):
    """The field x field pixels around each labelled pixel of canvases, and its label."""
    padded = np.pad(x[:, 0], ((0, 0), *((field // 2,) * 2,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (field, field), (1, 2))
    return windows[y >= 0].reshape(-1, field**2), y[y >= 0]


def test_a_near_cue_lies_within_one_pixel():
    arrays = load("dense_cue_near")
    patches, labels = _neighbourhoods(*arrays.pool, 3)
    labelled = {(patch.tobytes(), label) for patch, label in zip(patches, labels, strict=True)}
    assert len({patch for patch, _ in labelled}) == len(labelled)  # a patch has one label
    pixels, labels = _neighbourhoods(*arrays.pool, 1)
    assert all(len(set(labels[pixels[:, 0] == value])) == 4 for value in (102, 255))
    assert set(np.unique(arrays.pool[0])) == {0, 102, 255}


def test_a_digits_cue_lies_farther_away_than_three_plain_layers_see():
    from sklearn.neighbors import KNeighborsClassifier

    pool = [array[:150] for array in load("dense_cue").pool]
    test = [array[:20] for array in load("dense_cue").test]
    error = {}
    for field in (7, 15):
        nearest = KNeighborsClassifier(5).fit(*_neighbourhoods(*pool, field))
        error[field] = 1 - nearest.score(*_neighbourhoods(*test, field))
    assert error[7] > error[15] + 0.1


def test_garments_are_composed_in_the_same_way_and_from_their_own_splits(monkeypatch):
    random = np.random.default_rng(0)
    pool, test = (
        random.integers(low, low + 50, (size, 1, 28, 28), dtype=np.uint8)
        for low, size in ((60, 12_000), (180, 4000))
    )
    labels = np.arange(12_000) % 10
    garments = {"fashion_mnist": Arrays((pool, labels), (test, labels[:4000]), 10)}
    monkeypatch.setattr(canvases, "load", garments.__getitem__)
    arrays = canvases.dense_cue_fashion()
    for (x, y), size in ((arrays.pool, 6000), (arrays.test, 2000)):
        assert (x.shape, y.shape) == ((size, 1, 18, 36), (size, 18, 36))
    assert ((arrays.pool[1] >= 0).sum((1, 2)) == 2 * 14 * 14).all()
    assert arrays.pool[0].max() < 110
    assert arrays.test[0][arrays.test[0] > 0].min() >= 180
    assert np.bincount(arrays.test[1][arrays.test[1] >= 0]).tolist() == [400 * 196] * 10
    top = (arrays.pool[1][:, :, :18] >= 0).any(2).argmax(1)
    assert np.bincount(top, minlength=5)[1:4].min() > 1500  # each place is equally likely
