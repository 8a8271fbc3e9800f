import numpy as np

from dlgbench.data import load, placed_mnist
from dlgbench.data.placed import place


def test_each_digit_lies_whole_on_its_canvas_at_any_of_the_places():
    digits, placed = load("mnist5k"), load("mnist5k_placed")
    corners = set()
    for (x, y), (canvas, labels) in (
        (digits.pool, placed.pool),
        (digits.test, placed.test),
    ):
        assert canvas.shape == (len(x), 1, 40, 40)
        assert np.array_equal(y, labels)
        for image, large in zip(x[:, 0], canvas[:, 0], strict=True):
            ink, moved = np.argwhere(image), np.argwhere(large)
            assert np.array_equal(ink - ink.min(0), moved - moved.min(0))
            assert np.array_equal(image[tuple(ink.T)], large[tuple(moved.T)])
            corners.add(tuple((moved.min(0) - ink.min(0)).tolist()))
    assert corners == {(i, j) for i in range(13) for j in range(13)}


def test_all_of_mnist_is_placed_as_its_5_000_are(monkeypatch):
    monkeypatch.setattr(placed_mnist, "load", lambda name: load({"mnist": "mnist5k"}[name]))
    few, all_of_it = load("mnist5k_placed"), placed_mnist.mnist_placed()
    assert np.array_equal(all_of_it.pool[0], few.pool[0])
    assert np.array_equal(all_of_it.test[1], few.test[1])


def test_places_are_drawn_by_the_generator_alone():
    x = np.random.default_rng(0).integers(1, 256, (50, 2, 4, 3), dtype=np.uint8)
    one, again, other = (place(x, np.random.default_rng(k), 2) for k in (1, 1, 2))
    assert one.shape == (50, 2, 8, 7)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert (one.sum((1, 2, 3)) == x.sum((1, 2, 3))).all()
