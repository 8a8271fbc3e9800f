"""Patches cut from photographs that scikit-image and scikit-learn ship, for nets that answer with an image: a pool of 3,000, a test split of 1,000.

Test patches come from other photographs (`TEST`) than the pool's. Each photograph gives as many patches as the next, at places drawn without replacement,
but none whose grey values have a standard deviation below `CONTRAST`. Patches of the pool may overlap, so validation is optimistic; the test is not.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dlgbench.data import register_data
from dlgbench.data.arrays import SPLIT_SEED, Arrays, checksum
from dlgbench.data.files import packaged

COLOUR = {
    "astronaut": (
        "skimage",
        "data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    "cat": (
        "skimage",
        "data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    ),
    "china": (
        "sklearn",
        "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
    "coffee": (
        "skimage",
        "data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
    "flower": (
        "sklearn",
        "datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    ),
    "hubble_deep_field": (
        "skimage",
        "data/hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    ),
    "immunohistochemistry": (
        "skimage",
        "data/ihc.png",
        "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    ),
    "motorcycle": (
        "skimage",
        "data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    ),
    "retina": (
        "skimage",
        "data/retina.jpg",
        "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    ),
    "rocket": (
        "skimage",
        "data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
}
GREY = {
    "brick": (
        "skimage",
        "data/brick.png",
        "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    ),
    "camera": (
        "skimage",
        "data/camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    ),
    "cell": (
        "skimage",
        "data/cell.png",
        "8d23a7fb81f7cc877cd09f330357fc7f595651306e84e17252f6e0a1b3f61515",
    ),
    "clock": (
        "skimage",
        "data/clock_motion.png",
        "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955",
    ),
    "coins": (
        "skimage",
        "data/coins.png",
        "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    ),
    "grass": (
        "skimage",
        "data/grass.png",
        "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    ),
    "gravel": (
        "skimage",
        "data/gravel.png",
        "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    ),
    "moon": (
        "skimage",
        "data/moon.png",
        "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
    ),
}
TEST = ("camera", "china", "gravel", "motorcycle")
POOL_SIZE, TEST_SIZE = 3000, 1000
CONTRAST = 8  # of 255
NOISE = 0.05


@register_data("photographs")
def photographs() -> Arrays:
    """Grey patches, x = y: (N, 1, 32, 32) uint8. The net must answer with its input; through a bottleneck, it must reconstruct it."""
    pool, test = _patches(32)
    return _arrays((pool, pool), (test, test), 1)


@register_data("photographs_noisy")
def photographs_noisy() -> Arrays:
    """Grey patches y, (N, 1, 32, 32) uint8, and x = y / 255 + N(0, 0.05^2), float32, not clipped. The net must take the noise away."""
    random = np.random.default_rng([SPLIT_SEED, 1])
    pool, test = (
        (y / np.float32(255) + random.normal(0, NOISE, y.shape).astype(np.float32), y)
        for y in _patches(32)
    )
    return _arrays(pool, test, 1)


@register_data("photographs_ab")
def photographs_ab() -> Arrays:
    """Colour patches in CIELAB, float32: x = L / 100 (N, 1, 32, 32), y = (a, b) / 110 (N, 2, 32, 32). The net must colour (slide "Colorization Network").

    From the photographs in colour alone: of `TEST`, china and motorcycle.
    """
    from skimage.color import rgb2lab

    labs = (
        rgb2lab(rgb.astype(np.float32) / 255, channel_axis=1) for rgb in _patches(32, colour=True)
    )
    pool, test = ((lab[:, :1] / np.float32(100), lab[:, 1:] / np.float32(110)) for lab in labs)
    return _arrays(pool, test, 2)


@register_data("photographs_sobel")
def photographs_sobel() -> Arrays:
    """Grey patches x in [0, 1] less the pool's mean, and their horizontal `sobel` response y, both (N, 1, 16, 16) float32. The net must learn the filter.

    One 3x3 convolution with zero padding is the answer, and without padding too, on the inner 14x14. With data_args standardize=False its kernel is
    (-1 0 1; -2 0 2; -1 0 1); standardized inputs give it times their standard deviation, and at a padded rim an error of the split's mean, which is near 0.
    """
    return _filtered(sobel)


@register_data("photographs_sobel_magnitude")
def photographs_sobel_magnitude() -> Arrays:
    """Control of `photographs_sobel`: y = sqrt(horizontal^2 + vertical^2), which no single convolution gives."""
    return _filtered(lambda x: np.hypot(sobel(x), sobel(x.swapaxes(2, 3)).swapaxes(2, 3)))


def sobel(x: np.ndarray) -> np.ndarray:
    """Right less left, smoothed from top to bottom: each image of (N, C, H, W), zero-padded, cross-correlated with (-1 0 1; -2 0 2; -1 0 1)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    smooth = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    return smooth[..., 2:] - smooth[..., :-2]


def photograph(name: str) -> np.ndarray:
    """A photograph of `COLOUR` (H, W, 3) or `GREY` (H, W), uint8.

    Raises:
        DlgbenchError: for a package that is not installed, and a file that can't be read or is corrupt.
    """
    from skimage.io import imread

    return imread(io.BytesIO(packaged(*(COLOUR | GREY)[name])))


def _arrays(
    pool: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], channels: int
) -> Arrays:
    return Arrays(pool, test, channels, checksum(*pool, *test))


def _filtered(response: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    pool, test = (patches / np.float32(255) for patches in _patches(16))
    mean = pool.mean()
    return _arrays((pool - mean, response(pool - mean)), (test - mean, response(test - mean)), 1)


def _patches(side: int, *, colour: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pool and test patches (N, C, side, side), uint8, as many from each photograph."""
    random, names = np.random.default_rng(SPLIT_SEED), sorted(COLOUR if colour else COLOUR | GREY)
    splits = []
    for size, chosen in (
        (POOL_SIZE, [name for name in names if name not in TEST]),
        (TEST_SIZE, [name for name in names if name in TEST]),
    ):
        shares = np.diff(np.linspace(0, size, len(chosen) + 1).astype(int))
        splits.append(
            np.concatenate(
                [
                    _cut(photograph(name), side, share, random, colour=colour)
                    for name, share in zip(chosen, shares, strict=True)
                ]
            )
        )
    return splits[0], splits[1]


def _cut(
    image: np.ndarray, side: int, count: int, random: np.random.Generator, *, colour: bool
) -> np.ndarray:
    """`count` patches (count, C, side, side) of one photograph, at places drawn without replacement, the nearly constant ones left out."""
    windows = sliding_window_view(
        image.reshape(*image.shape[:2], -1), (side, side), (0, 1)
    )  # (rows, columns, C, side, side)
    places, kept = (
        random.permutation(windows.shape[0] * windows.shape[1]),
        np.empty((0, windows.shape[2] if colour else 1, side, side), np.uint8),
    )
    for start in range(0, len(places), count):
        patches = windows[np.unravel_index(places[start : start + count], windows.shape[:2])]
        grey = _grey(patches)
        kept = np.concatenate(
            [kept, (patches if colour else grey)[grey.std((1, 2, 3)) >= CONTRAST]]
        )
        if len(kept) >= count:
            break
    return kept[:count]


def _grey(patches: np.ndarray) -> np.ndarray:
    """The luma of patches (N, 3, H, W), rounded; grey ones as they are."""
    from skimage.color import rgb2gray

    return (
        patches
        if patches.shape[1] == 1
        else np.round(255 * rgb2gray(patches, channel_axis=1)).astype(np.uint8)[:, None]
    )
