import pytest
import torch
from torch import nn

from dlgbench.equations.linear import linear, linear_backward, with_one
from dlgbench.errors import DlgbenchError


def rand(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def agrees_with_autograd(backward, batch=5, inputs=4, outputs=4):
    z, w = rand(batch, inputs).requires_grad_(), rand(inputs, outputs).requires_grad_()
    d_b = rand(batch, outputs)
    expected = torch.autograd.grad(z @ w, (z, w), d_b)
    pairs = zip(backward(d_b, z.detach(), w.detach()), expected, strict=True)
    return all(torch.allclose(*pair, rtol=0, atol=1e-10) for pair in pairs)


@pytest.mark.parametrize(("batch", "inputs", "outputs"), [(5, 4, 4), (1, 3, 2), (7, 1, 6)])
def test_backward_is_autograds(batch, inputs, outputs):
    assert agrees_with_autograd(linear_backward, batch, inputs, outputs)


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param(lambda d_b, z, w: (d_b @ w, z.T @ d_b), id="w not transposed"),
        pytest.param(lambda d_b, z, w: (d_b[:, :1] * w[:, 0], z.T @ d_b), id="no sum over c"),
        pytest.param(
            lambda d_b, z, w: (d_b @ w.T, torch.outer(z[0], d_b[0])), id="no sum over the batch"
        ),
        pytest.param(lambda d_b, z, w: (d_b @ w.T, z.T @ d_b / len(z)), id="mean over the batch"),
        pytest.param(lambda d_b, z, w: (d_b @ w.T, d_b.T @ z), id="gradient of w transposed"),
    ],
)
def test_sabotaged_backward_is_not(sabotage, gradcheck):
    assert not agrees_with_autograd(sabotage)
    assert not gradcheck(linear, sabotage, rand(5, 4), rand(4, 4))


def test_gradcheck(gradcheck):
    assert gradcheck(linear, linear_backward, rand(5, 4), rand(4, 3))


def test_one_unit_at_a_time():
    z, w = rand(3, 4), rand(4, 2)
    b = [[sum(z[i, h] * w[h, m] for h in range(4)).item() for m in range(2)] for i in range(3)]
    assert torch.allclose(linear(z, w), torch.tensor(b, dtype=torch.float64), rtol=0, atol=1e-10)


def test_the_bias_is_the_weight_of_a_one():
    layer, x = nn.Linear(4, 3).double(), rand(5, 4)
    w = torch.cat([layer.weight.detach().T, layer.bias.detach()[None]])
    assert torch.allclose(linear(with_one(x), w), layer(x).detach(), rtol=0, atol=1e-10)
    d_b = rand(5, 3)
    _, d_w = linear_backward(d_b, with_one(x), w)
    (layer(x) * d_b).sum().backward()
    assert torch.allclose(d_w[:-1].T, layer.weight.grad, rtol=0, atol=1e-10)
    assert torch.allclose(d_w[-1], layer.bias.grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("z", "w"), [((2, 3), (4, 5)), ((3,), (3, 2)), ((2, 3), (3,))])
def test_shapes_that_do_not_match_are_refused(z, w):
    with pytest.raises(DlgbenchError, match=r"linear: expected z of shape \(B, H\) .*, got \("):
        linear(rand(*z), rand(*w))
