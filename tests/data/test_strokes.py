import numpy as np
import pytest

from dlgbench.data import load, strokes


def test_a_rough_drawing_is_its_clean_one_and_more():
    (x, y), (xt, yt) = load("strokes").pool, load("strokes").test
    assert x.shape == y.shape == (3000, 1, 32, 32)
    assert xt.shape == yt.shape == (1000, 1, 32, 32)
    rough, clean = x.reshape(3000, -1) / 255, y.reshape(3000, -1) / 255
    pairs = zip(rough[:500], clean[:500], strict=True)
    together = np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])
    assert together.min() > 0.2
    assert 0.5 < together.mean() < 0.9
    apart = np.corrcoef(rough[0], clean[1])[0, 1]
    assert apart < together.min()
    assert np.square(rough - clean).mean() > 0.01  # to copy the input is no answer
    assert (rough < 0.85).mean() > 1.3 * (clean < 0.85).mean()  # the redrawn lines spread
    assert rough[clean == 1].std() > 0.03  # and the background is noisy
    assert {0, 255} <= set(np.unique(y)) - set(range(1, 28))  # black on white
    assert 0.03 < ((y > 0) & (y < 255)).mean() < 0.3  # with grey rims


def test_a_horizontal_stroke_is_as_wide_as_its_pen():
    p = np.stack([np.linspace(4.5, 27.5, 4), np.full(4, 16.5)], 1)[None, None]
    covered = strokes.ink(p, np.array([[True]]))[0]
    diameter = 5 / 3  # of the disc: 5 subpixels, 3 to a pixel
    assert covered[:, 10:22].sum(0) == pytest.approx(diameter)
    for outside in (covered[:13], covered[20:], covered[:, :3], covered[:, 29:]):
        assert not outside.any()
    assert not strokes.ink(p, np.array([[False]])).any()


def test_a_curve_passes_through_its_ends_and_its_middle():
    p = np.array([[4.0, 4.0], [4.0, 28.0], [28.0, 28.0], [28.0, 4.0]])
    covered = strokes.ink(p[None, None], np.array([[True]]))[0]
    right, down = (p[0] + 3 * p[1] + 3 * p[2] + p[3]) / 8
    assert covered[int(down), int(right)] > 0.5
    assert covered[4, 4] > 0.5
    assert covered[4, 28] > 0.5
    assert covered[4, 16] == 0  # no straight line between them


def test_a_shuffled_sketch_has_the_drawing_of_another():
    data, apart = load("strokes"), load("strokes_shuffled")
    for (x, y), (same, other) in zip((data.pool, data.test), (apart.pool, apart.test), strict=True):
        assert np.array_equal(x, same)
        assert not (y == other).all((1, 2, 3)).any()
        assert sorted(map(bytes, y)) == sorted(map(bytes, other))
        share = np.corrcoef(same.ravel(), other.ravel())[0, 1] ** 2
        assert share < 0.02  # of the variance, from the mean image that all share
        assert np.corrcoef(x.ravel(), y.ravel())[0, 1] ** 2 > 0.2
