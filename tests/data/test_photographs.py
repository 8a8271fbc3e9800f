import itertools

import numpy as np
import pytest
from scipy import ndimage, stats

from dlgbench import DlgbenchError
from dlgbench.data import load, photographs
from dlgbench.data.photographs import COLOUR, GREY, TEST, photograph

SETS = [
    "photographs",
    "photographs_noisy",
    "photographs_ab",
    "photographs_ab_shuffled",
    "photographs_sobel",
    "photographs_sobel_magnitude",
]


def test_a_photograph_is_scikit_images_own_and_scikit_learns():
    import skimage.data
    from sklearn.datasets import load_sample_image

    def published(name):
        if name == "motorcycle":
            return skimage.data.stereo_motorcycle()[0]
        if name in {"china", "flower"}:
            return load_sample_image(f"{name}.jpg")
        return getattr(skimage.data, name)()

    for name in COLOUR | GREY:
        assert np.array_equal(photograph(name), published(name)), name
        assert photograph(name).ndim == (3 if name in COLOUR else 2)


@pytest.mark.parametrize("name", SETS)
def test_sizes(name):
    arrays = load(name)
    side, channels = (16 if "sobel" in name else 32), (2 if "_ab" in name else 1)
    for (x, y), size in ((arrays.pool, 3000), (arrays.test, 1000)):
        assert (x.shape, y.shape) == ((size, 1, side, side), (size, channels, side, side))
    assert arrays.num_classes == channels


def test_whole_photographs_and_shuffled_patches():
    from skimage.data import camera

    whole, arrays = load("photographs_whole"), load("photographs_shuffled")
    assert whole.pool[0].shape == (14, 1, 128, 128)
    assert whole.test[0].shape == (4, 1, 128, 128)
    squares = camera().reshape(128, 4, 128, 4).mean((1, 3))  # camera is the first of TEST
    assert np.abs(whole.test[0][0, 0] - squares).max() <= 0.5 + 1e-6
    for (x, y), (same, _) in zip(
        (arrays.pool, arrays.test),
        (load("photographs").pool, load("photographs").test),
        strict=True,
    ):
        assert np.array_equal(x, same)
        assert not (x == y).all((1, 2, 3)).any()
        assert np.array_equal(np.sort(x.sum((1, 2, 3))), np.sort(y.sum((1, 2, 3))))


def test_no_patch_is_nearly_constant():
    arrays = load("photographs")
    assert all(np.array_equal(x, y) for x, y in (arrays.pool, arrays.test))
    assert arrays.pool[0].dtype == np.uint8
    for x, _ in (arrays.pool, arrays.test):
        assert x.std((1, 2, 3)).min() >= photographs.CONTRAST


def lies_in(patch, image):
    """Is the patch (C, 32, 32) somewhere in the image (C, H, W)? Its diagonal is looked for."""
    height, width = (side - 31 for side in image.shape[1:])
    i, j = (places.ravel() for places in np.indices((height, width)))
    for k, channel in itertools.product(range(32), range(len(image))):
        near = np.abs(image[channel, i + k, j + k] - patch[channel, k, k]) < 1
        i, j = i[near], j[near]
    return any(
        np.abs(image[:, top : top + 32, left : left + 32] - patch).max() < 1
        for top, left in zip(i, j, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "of"), [("photographs", COLOUR | GREY), ("photographs_ab", COLOUR)]
)
def test_each_photograph_gives_its_share_to_the_pool_or_to_the_test_split_alone(name, of):
    from skimage.color import lab2rgb, rgb2gray

    data, colour = load(name), name == "photographs_ab"
    for (x, y), names in ((data.pool, set(of) - set(TEST)), (data.test, set(of) & set(TEST))):
        bounds = np.linspace(0, len(x), len(names) + 1).astype(int)
        for photo, first, end in zip(sorted(names), bounds, bounds[1:], strict=False):
            rows = [*range(first, end, 50), end - 1]
            patches, image = x[rows].astype(float), photograph(photo)
            if colour:
                lab = np.concatenate([x[rows] * 100, y[rows] * 110], 1)
                patches, image = 255 * lab2rgb(lab, channel_axis=1), image.transpose(2, 0, 1)
            else:
                image = (255 * rgb2gray(image) if image.ndim == 3 else image)[None]
            assert all(lies_in(patch, image) for patch in patches), photo


def test_noise_has_its_sd_and_is_independent_of_the_patch():
    for x, y in (load("photographs_noisy").pool, load("photographs_noisy").test):
        noise = x - y / 255
        assert x.dtype == np.float32
        assert y.dtype == np.uint8
        assert noise.std() == pytest.approx(0.05, rel=0.01)
        assert noise.mean() == pytest.approx(0, abs=1e-3)
        assert stats.kstest(noise.ravel()[::17] / 0.05, "norm").pvalue > 1e-3
        assert np.corrcoef(noise.ravel(), y.ravel())[0, 1] == pytest.approx(0, abs=0.01)
        neighbours = noise[..., 1:].ravel(), noise[..., :-1].ravel()
        assert np.corrcoef(*neighbours)[0, 1] == pytest.approx(0, abs=0.01)
    assert np.array_equal(load("photographs_noisy").pool[1], load("photographs").pool[1])


def test_l_and_ab_give_the_photograph_back():
    from skimage.color import lab2rgb

    x, y = load("photographs_ab").test
    rgb = photographs._patches(32, colour=True)[1]
    back = lab2rgb(np.concatenate([x * 100, y * 110], 1), channel_axis=1)
    assert np.abs(back * 255 - rgb).max() < 0.51  # half a grey level and float32
    assert (x.min(), x.max()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert np.abs(y).max() < 1
    chroma = np.hypot(*np.moveaxis(y * 110, 1, 0))
    assert chroma[:500].mean() > 5  # china
    assert chroma[500:].mean() > 5  # motorcycle


def test_shuffled_colours_are_those_of_other_patches():
    plain, shuffled = load("photographs_ab"), load("photographs_ab_shuffled")
    for (x, y), (same, other) in ((plain.pool, shuffled.pool), (plain.test, shuffled.test)):
        assert np.array_equal(x, same)
        assert sorted(y.sum((1, 2, 3))) == sorted(other.sum((1, 2, 3)))
        stay = (y == other).all((1, 2, 3))
        assert stay.sum() < 5  # of a random permutation one patch keeps its colours, on average


def test_sobel_agrees_with_scipy():
    (x, y), (xm, ym) = load("photographs_sobel").pool, load("photographs_sobel_magnitude").pool
    assert np.array_equal(x, xm)
    assert x.mean() == pytest.approx(0, abs=1e-5)
    for k in range(0, 3000, 100):
        across, along = (
            ndimage.sobel(x[k, 0].astype(float), axis, mode="constant") for axis in (1, 0)
        )
        assert np.abs(y[k, 0] - across).max() < 1e-5
        assert np.abs(ym[k, 0] - np.hypot(across, along)).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "linear"), [("photographs_sobel", True), ("photographs_sobel_magnitude", False)]
)
def test_one_convolution_gives_sobel_and_not_its_magnitude(name, linear):
    x, y = (array[:200] for array in load(name).pool)
    padded = np.pad(x[:, 0].astype(float), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2)).reshape(-1, 9)
    kernel, *_ = np.linalg.lstsq(windows, y.ravel(), rcond=None)
    left = np.square(windows @ kernel - y.ravel()).mean() / y.var()
    if linear:
        assert np.abs(kernel.reshape(3, 3) - [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).max() < 1e-4
        assert left < 1e-10
    else:
        assert left > 0.3


def test_a_corrupt_photograph_is_named(monkeypatch):
    monkeypatch.setitem(photographs.SHA256, "camera", "0" * 64)
    corrupt = r"data/camera.png is corrupt: SHA-256 expected 0{16}..., got b0793d.*scikit-image$"
    with pytest.raises(DlgbenchError, match=corrupt):
        photographs.photographs()
