from functools import partial

import pytest
import torch
import torch.nn.functional as F

from dlgbench.equations.convolution import (
    convolution,
    convolution_backward,
    convolution_matrix,
    insert_zeros,
    out_side,
    transposed,
    transposed_backward,
    transposed_by_matrix,
)
from dlgbench.errors import DlgbenchError


def geometry(kernel, stride, padding, dilation):
    name = f"{kernel[0]}x{kernel[1]}-s{stride}p{padding}d{dilation}"
    return pytest.param(
        kernel, {"stride": stride, "padding": padding, "dilation": dilation}, id=name
    )


GEOMETRIES = [
    geometry((3, 2), stride=1, padding=0, dilation=1),
    geometry((3, 2), stride=2, padding=1, dilation=1),
    geometry((2, 3), stride=1, padding=2, dilation=2),
    geometry((3, 3), stride=3, padding=1, dilation=2),
    geometry((1, 1), stride=2, padding=0, dilation=1),
    geometry((2, 2), stride=2, padding=3, dilation=1),
]


def rand(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def close(actual, expected):
    return actual.shape == expected.shape and torch.allclose(actual, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("kernel", "how"), GEOMETRIES)
def test_loops_and_matrix_are_torchs_convolution(kernel, how):
    x, w = rand(2, 3, 7, 6), rand(4, 3, *kernel)
    expected = F.conv2d(x, w, **how)
    assert close(convolution(x, w, **how), expected)
    assert close(x.flatten(1) @ convolution_matrix(w, 7, 6, **how).T, expected.flatten(1))


@pytest.mark.parametrize(("kernel", "how"), GEOMETRIES)
def test_backward_is_autograds_and_the_matrix_transposed(kernel, how):
    x, w = rand(2, 3, 7, 6).requires_grad_(), rand(4, 3, *kernel).requires_grad_()
    y = F.conv2d(x, w, **how)
    d_y = rand(*y.shape)
    expected = torch.autograd.grad(y, (x, w), d_y)
    x, w = x.detach(), w.detach()
    d_x, d_w = convolution_backward(d_y, x, w, **how)
    assert close(d_x, expected[0])
    assert close(d_w, expected[1])
    assert close((d_y.flatten(1) @ convolution_matrix(w, 7, 6, **how)).view_as(x), d_x)


@pytest.mark.parametrize(("kernel", "how"), GEOMETRIES)
def test_zero_insertion_and_the_transposed_matrix_are_torchs_transposed_convolution(kernel, how):
    x, w = rand(2, 4, 5, 6), rand(4, 3, *kernel)
    expected = F.conv_transpose2d(x, w, **how)
    assert close(transposed(x, w, **how), expected)
    assert close(transposed_by_matrix(x, w, **how), expected)


@pytest.mark.parametrize(("kernel", "how"), GEOMETRIES)
def test_transposed_backward_is_autograds(kernel, how):
    x, w = rand(2, 4, 5, 6).requires_grad_(), rand(4, 3, *kernel).requires_grad_()
    y = F.conv_transpose2d(x, w, **how)
    d_y = rand(*y.shape)
    expected = torch.autograd.grad(y, (x, w), d_y)
    d_x, d_w = transposed_backward(d_y, x.detach(), w.detach(), **how)
    assert close(d_x, expected[0])
    assert close(d_w, expected[1])


def test_gradchecks(gradcheck):
    kernel, how = (3, 2), {"stride": 2, "padding": 1, "dilation": 1}
    block, backward = (partial(f, **how) for f in (convolution, convolution_backward))
    assert gradcheck(block, backward, rand(2, 2, 5, 4), rand(3, 2, *kernel))
    block, backward = (partial(f, **how) for f in (transposed, transposed_backward))
    assert gradcheck(block, backward, rand(2, 3, 3, 3), rand(3, 2, *kernel))


def test_sabotage_is_noticed(gradcheck):
    x, w = rand(2, 3, 6, 6), rand(3, 3, 3, 3)
    flipped = w.flip(2, 3)  # the convolution of mathematics
    assert not close(convolution(x, flipped), F.conv2d(x, w))
    assert not close(convolution(x, w.transpose(0, 1)), F.conv2d(x, w))
    unflipped = convolution(insert_zeros(x, 2), w.transpose(0, 1), padding=2)
    assert not close(unflipped, F.conv_transpose2d(x, w, stride=2))

    def first_example(d_y, x, w):
        return convolution_backward(d_y, x, w)[0], convolution_backward(d_y[:1], x[:1], w)[1]

    def first_position(d_y, x, w):  # no sum over the positions that share the weights
        d_w = torch.einsum("no,ncab->ocab", d_y[:, :, 0, 0], x[:, :, :3, :3])
        return convolution_backward(d_y, x, w)[0], d_w

    x, w = rand(2, 2, 4, 4), rand(2, 2, 3, 3)
    assert gradcheck(convolution, convolution_backward, x, w)
    for sabotage in (first_example, first_position):
        assert not gradcheck(convolution, sabotage, x, w)


def test_the_slides_banded_matrix():
    w0, w1, w2 = w = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    k = 6
    # y_i = w_0 x_i + w_1 x_(i+1) + w_2 x_(i+2), where x is 0 past its end: two zeros are appended,
    # and their columns of the matrix are left out.
    matrix = convolution_matrix(w.view(1, 1, 1, 3), 1, k + 2)[:, :k]
    ones = torch.ones(k, dtype=torch.float64)
    expected = w0 * torch.diag(ones) + w1 * torch.diag(ones[1:], 1) + w2 * torch.diag(ones[2:], 2)
    assert torch.equal(matrix, expected)
    # A fully connected layer would have 36 different weights; this one has 3, and zeros.
    assert len(matrix.unique()) == 1 + len(w)


def test_in_two_dimensions_it_is_doubly_block_toeplitz():
    matrix = convolution_matrix(rand(1, 1, 3, 2), 5, 4, padding=1)
    matrix = matrix.view(5, 5, 5, 4)  # output (i, j), input (h, v)
    for i, j, h, v in (matrix != 0).nonzero().tolist():
        if i + 1 < 5 and h + 1 < 5:
            assert matrix[i + 1, j, h + 1, v] == matrix[i, j, h, v]
        if j + 1 < 5 and v + 1 < 4:
            assert matrix[i, j + 1, h, v + 1] == matrix[i, j, h, v]
    assert not torch.equal(*(convolution_matrix(rand(1, 1, 3, 2), 5, 4) for _ in range(2)))


def test_zeros_are_inserted_between():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert insert_zeros(x, 2)[0, 0].tolist() == [[1, 0, 2], [0, 0, 0], [3, 0, 4]]
    assert torch.equal(insert_zeros(x, 1), x)


def test_kernels_that_are_too_wide_and_other_channels_are_refused():
    assert out_side(7, 3, 2, 1, 1) == 4
    message = r"expected a kernel no wider than 4 \+ 2 x 0, got 3 at dilation 2"
    with pytest.raises(DlgbenchError, match=message):
        convolution(rand(1, 1, 4, 4), rand(1, 1, 3, 3), dilation=2)
    with pytest.raises(DlgbenchError, match="expected an input of 2 channels, got 3"):
        convolution(rand(1, 3, 4, 4), rand(1, 2, 3, 3))
