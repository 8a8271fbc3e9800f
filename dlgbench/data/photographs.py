"""Patches cut from photographs that scikit-image and scikit-learn ship: from image to image.

A pool of 3,000, a test split of 1,000. Test patches come from other photographs (`TEST`) than the
pool's. Each photograph gives as many patches as the next, at places drawn without replacement, but
none whose grey values have a standard deviation below `CONTRAST`. Patches of the pool may overlap,
so validation is optimistic; the test is not.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dlgbench.data.arrays import SPLIT_SEED, Arrays
from dlgbench.data.files import read_packaged
from dlgbench.registry import register_data

COLOUR = {
    "astronaut": "skimage/data/astronaut.png",
    "cat": "skimage/data/chelsea.png",
    "china": "sklearn/datasets/images/china.jpg",
    "coffee": "skimage/data/coffee.png",
    "flower": "sklearn/datasets/images/flower.jpg",
    "hubble_deep_field": "skimage/data/hubble_deep_field.jpg",
    "immunohistochemistry": "skimage/data/ihc.png",
    "motorcycle": "skimage/data/motorcycle_left.png",
    "retina": "skimage/data/retina.jpg",
    "rocket": "skimage/data/rocket.jpg",
}
GREY = {
    "brick": "skimage/data/brick.png",
    "camera": "skimage/data/camera.png",
    "cell": "skimage/data/cell.png",
    "clock": "skimage/data/clock_motion.png",
    "coins": "skimage/data/coins.png",
    "grass": "skimage/data/grass.png",
    "gravel": "skimage/data/gravel.png",
    "moon": "skimage/data/moon.png",
}
SHA256 = {
    "astronaut": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "cat": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "china": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    "coffee": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "flower": "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    "hubble_deep_field": "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    "immunohistochemistry": "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    "motorcycle": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    "retina": "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    "rocket": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "brick": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "camera": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "cell": "8d23a7fb81f7cc877cd09f330357fc7f595651306e84e17252f6e0a1b3f61515",
    "clock": "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955",
    "coins": "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    "grass": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "gravel": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    "moon": "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
}
TEST = ("camera", "china", "gravel", "motorcycle")
POOL_SIZE, TEST_SIZE = 3000, 1000
CONTRAST = 8  # of 255
NOISE = 0.05


@register_data("photographs", target_range=1.0)
def photographs() -> Arrays:
    """Grey patches, x = y: (N, 1, 32, 32) uint8.

    The network must answer with its input; through a bottleneck, it must reconstruct it.
    """
    pool, test = _patches(32)
    return Arrays((pool, pool), (test, test), 1)


@register_data("photographs_noisy", target_range=1.0)
def photographs_noisy() -> Arrays:
    """Grey patches y, (N, 1, 32, 32) uint8, and x = y / 255 + N(0, 0.05^2), float32, not clipped.

    The network must take the noise away.
    """
    random = np.random.default_rng([SPLIT_SEED, 1])
    pool, test = (
        (y / np.float32(255) + random.normal(0, NOISE, y.shape).astype(np.float32), y)
        for y in _patches(32)
    )
    return Arrays(pool, test, 1)


@register_data("photographs_ab")
def photographs_ab() -> Arrays:
    """Colour patches in CIELAB: x = L / 100 and y = (a, b) / 110.

    x is (N, 1, 32, 32), y (N, 2, 32, 32), both float32. The network must colour (slide
    "Colorization Network"). They come from the photographs in colour alone: of `TEST`, china and
    motorcycle.
    """
    pool, test = map(to_lab, _patches(32, colour=True))
    return Arrays(pool, test, 2)


def to_lab(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L / 100, (a, b) / 110) of colour images in CIELAB.

    Shapes: (N, 3, H, W) uint8 -> (N, 1, H, W), (N, 2, H, W), float32.
    """
    from skimage.color import rgb2lab

    lab = rgb2lab(rgb.astype(np.float32) / 255, channel_axis=1)
    return lab[:, :1] / np.float32(100), lab[:, 1:] / np.float32(110)


@register_data("photographs_ab_shuffled")
def photographs_ab_shuffled() -> Arrays:
    """Control of `photographs_ab`: each grey patch has the colours of another one, drawn once.

    So x says nothing about y. Pool and test split are shuffled each for itself.
    """
    random, data = np.random.default_rng([SPLIT_SEED, 2]), photographs_ab()
    pool, test = ((x, y[random.permutation(len(y))]) for x, y in (data.pool, data.test))
    return Arrays(pool, test, 2)


@register_data("photographs_sobel")
def photographs_sobel() -> Arrays:
    """Grey patches x in [0, 1] less the pool's mean, and their horizontal `sobel` response y.

    Both are (N, 1, 16, 16) float32. The network must learn the filter. One 3x3 convolution with
    zero padding is the answer, and without padding too, on the inner 14x14. With standardize=False
    in data_args its kernel is (-1 0 1; -2 0 2; -1 0 1). Standardized inputs give that kernel times
    their standard deviation and, at a padded edge, an error of the training split's mean, which is
    near 0.
    """
    return _filtered(sobel)


@register_data("photographs_sobel_magnitude")
def photographs_sobel_magnitude() -> Arrays:
    """Control of `photographs_sobel`: y = sqrt(horizontal^2 + vertical^2).

    No single convolution gives it.
    """
    return _filtered(lambda x: np.hypot(sobel(x), sobel(x.swapaxes(2, 3)).swapaxes(2, 3)))


@register_data("photographs_shuffled", target_range=1.0)
def photographs_shuffled() -> Arrays:
    """Control of `photographs`: the target of a patch is another patch of its split.

    By one fixed cyclic permutation, so no patch is its own target.
    """
    random = np.random.default_rng([SPLIT_SEED, 2])

    def shuffle(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order, y = random.permutation(len(x)), np.empty_like(x)
        y[order] = x[np.roll(order, 1)]
        return x, y

    pool, test = (shuffle(x) for x in _patches(32))
    return Arrays(pool, test, 1)


@register_data("photographs_whole", target_range=1.0)
def photographs_whole() -> Arrays:
    """The central square of each photograph, grey, x = y: (N, 1, 128, 128) uint8.

    Pixels are averaged. 14 photographs are the pool, the four of `TEST` the test split.
    """
    from skimage.color import rgb2gray
    from skimage.transform import resize_local_mean

    def small(name: str) -> np.ndarray:
        image = photograph(name)
        grey = rgb2gray(image) if image.ndim == 3 else image / 255
        side = min(grey.shape)
        top, left = ((length - side) // 2 for length in grey.shape)
        square = grey[top : top + side, left : left + side]
        return np.round(255 * resize_local_mean(square, (128, 128))).astype(np.uint8)[None]

    names = sorted(COLOUR | GREY)
    pool = np.stack([small(name) for name in names if name not in TEST])
    test = np.stack([small(name) for name in TEST])
    return Arrays((pool, pool), (test, test), 1)


def sobel(x: np.ndarray) -> np.ndarray:
    """Right less left, smoothed from top to bottom, of images (N, C, H, W).

    The cross-correlation of each zero-padded image with (-1 0 1; -2 0 2; -1 0 1).
    """
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    smooth = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    return smooth[..., 2:] - smooth[..., :-2]


def photograph(name: str) -> np.ndarray:
    """A photograph of `COLOUR` (H, W, 3) or `GREY` (H, W), uint8.

    Raises:
        DlgbenchError: for a package that is not installed, and a file that can't be read or is
            corrupt.
    """
    from skimage.io import imread

    package, _, inner = (COLOUR | GREY)[name].partition("/")
    return imread(io.BytesIO(read_packaged(package, inner, SHA256[name])))


def _filtered(response: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    pool, test = (patches / np.float32(255) for patches in _patches(16))
    mean = pool.mean()
    return Arrays((pool - mean, response(pool - mean)), (test - mean, response(test - mean)), 1)


def _patches(side: int, *, colour: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pool and test patches (N, C, side, side), uint8, as many from each photograph."""
    random, names = np.random.default_rng(SPLIT_SEED), sorted(COLOUR if colour else COLOUR | GREY)

    def draw(size: int, names: list[str]) -> np.ndarray:
        shares = np.diff(np.linspace(0, size, len(names) + 1).astype(int))
        cut = [
            _cut_patches(photograph(name), side, share, random, colour=colour)
            for name, share in zip(names, shares, strict=True)
        ]
        return np.concatenate(cut)

    pool = draw(POOL_SIZE, [name for name in names if name not in TEST])
    return pool, draw(TEST_SIZE, [name for name in names if name in TEST])


def _cut_patches(
    image: np.ndarray, side: int, count: int, random: np.random.Generator, *, colour: bool
) -> np.ndarray:
    """`count` patches (count, C, side, side) of one photograph, without those of low contrast.

    Their places are drawn without replacement.
    """
    channels_last = image.reshape(*image.shape[:2], -1)
    windows = sliding_window_view(
        channels_last, (side, side), (0, 1)
    )  # (rows, cols, C, side, side)
    places = random.permutation(windows.shape[0] * windows.shape[1])
    kept = np.empty((0, windows.shape[2] if colour else 1, side, side), np.uint8)
    for start in range(0, len(places), count):
        patches = windows[np.unravel_index(places[start : start + count], windows.shape[:2])]
        grey = _to_grey(patches)
        enough = grey.std((1, 2, 3)) >= CONTRAST
        kept = np.concatenate([kept, (patches if colour else grey)[enough]])
        if len(kept) >= count:
            break
    return kept[:count]


def _to_grey(patches: np.ndarray) -> np.ndarray:
    """The luma of patches (N, 3, H, W), rounded; grey ones as they are."""
    from skimage.color import rgb2gray

    if patches.shape[1] == 1:
        return patches
    return np.round(255 * rgb2gray(patches, channel_axis=1)).astype(np.uint8)[:, None]
