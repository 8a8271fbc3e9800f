import numpy as np
import pytest

from dlgbench.data import load


@pytest.mark.parametrize("name", ["xor", "circles", "moons", "spirals", "annulus"])
def test_toys_are_balanced_and_no_line_separates_them(name):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    arrays = load(name)
    assert arrays.pool[0].shape == (2000, 2)
    assert arrays.pool[1].mean() == pytest.approx(0.5, abs=0.05)
    assert LogisticRegression().fit(*arrays.pool).score(*arrays.test) < 0.9
    assert KNeighborsClassifier(5).fit(*arrays.pool).score(*arrays.test) > 0.97


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("xor", 2000),
        ("circles", 2000),
        ("gaussians", 2000),
        ("annulus", 100_000),
        ("half_plane", 100_000),
    ],
)
def test_where_perfection_is_measured_the_test_split_is_dense(name, points):
    arrays = load(name)
    assert (len(arrays.pool[0]), len(arrays.test[0])) == (2000, points)
    assert arrays.test[1].mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("name", "gap"), [("half_plane", 0.2), ("gaussians", 0.4)])
def test_the_controls_are_separated_by_a_line_with_a_margin(name, gap):
    from sklearn.svm import SVC

    arrays = load(name)
    x, y = (
        np.concatenate([pool, test[:2000]])
        for pool, test in zip(arrays.pool, arrays.test, strict=True)
    )
    line = SVC(kernel="linear", C=1e6).fit(x, y)
    assert line.score(x, y) == line.score(*arrays.test) == 1
    assert 2 / np.linalg.norm(line.coef_) >= gap  # between the two classes
    assert y.mean() == pytest.approx(0.5, abs=0.05)


def test_the_annulus_is_a_disc_in_a_ring():
    x, y = load("annulus").pool
    radius = np.hypot(*x.T.astype(float))
    assert radius[y == 1].max() < 1 / 3 + 1e-6
    assert radius[y == 0].min() == pytest.approx(2 / 3, abs=1e-3)
    assert radius[y == 0].max() == pytest.approx(1, abs=1e-2)
    # Both are uniform; area grows with the square of the radius.
    assert ((radius[y == 1] * 3) ** 2).mean() == pytest.approx(0.5, abs=0.03)
    assert ((radius[y == 0] ** 2 - 4 / 9) / (5 / 9)).mean() == pytest.approx(0.5, abs=0.03)
