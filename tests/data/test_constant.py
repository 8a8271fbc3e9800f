import numpy as np

from dlgbench.data import load
from dlgbench.data.photographs import sobel


def test_a_constant_patch_has_its_mean_and_no_edge_inside():
    constant, photographs = load("constant_sobel"), load("photographs_sobel")
    for (x, y), (whole, _) in zip(
        (constant.pool, constant.test), (photographs.pool, photographs.test), strict=True
    ):
        assert x.shape == y.shape == whole.shape
        assert np.ptp(x, axis=(2, 3)).max() == 0
        np.testing.assert_allclose(x[:, 0, 0, 0], whole.mean((1, 2, 3)), atol=1e-6)
        assert np.abs(y[..., 1:-1, 1:-1]).max() < 1e-6
    assert constant.num_classes == 1


def test_its_inside_tells_one_number_of_a_kernel_and_its_padded_frame_all_nine():
    flat = np.ones((1, 1, 5, 5), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(flat[0, 0], 1), (3, 3))
    assert np.linalg.matrix_rank(windows[1:-1, 1:-1].reshape(-1, 9)) == 1
    assert np.linalg.matrix_rank(windows.reshape(-1, 9)) == 9
    assert np.array_equal(
        windows.reshape(-1, 9) @ [-1, 0, 1, -2, 0, 2, -1, 0, 1], sobel(flat).ravel()
    )
