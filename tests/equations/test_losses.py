import pytest
import torch
import torch.nn.functional as F

from dlgbench.equations.losses import (
    l2,
    l2_backward,
    l2_penalty,
    l2_penalty_backward,
    softmax,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
)
from dlgbench.errors import DlgbenchError

ONE = torch.ones((), dtype=torch.float64)


def rand(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def classes(n, c):
    return torch.randint(c, (n,))


@pytest.mark.parametrize("scale", [1.0, 30.0, 2000.0])  # exp(2000) is no float
def test_cross_entropy_is_torchs(scale):
    b, y = (scale * rand(6, 5)).requires_grad_(), classes(6, 5)
    loss = F.cross_entropy(b, y)
    (expected,) = torch.autograd.grad(loss, b)
    b = b.detach()
    assert torch.allclose(softmax_cross_entropy(b, y), loss.detach(), rtol=1e-10, atol=1e-10)
    assert torch.allclose(softmax_cross_entropy_backward(ONE, b, y), expected, rtol=0, atol=1e-10)
    assert torch.allclose(softmax(b), b.softmax(1), rtol=0, atol=1e-10)


def test_equal_logits_cost_log_c():
    assert softmax_cross_entropy(
        torch.zeros(3, 10, dtype=torch.float64), classes(3, 10)
    ).item() == pytest.approx(2.302585093)


def test_gradchecks(gradcheck):
    y = classes(6, 5)
    assert gradcheck(
        lambda b: softmax_cross_entropy(b, y),
        lambda d, b: softmax_cross_entropy_backward(d, b, y),
        rand(6, 5),
    )
    assert gradcheck(l2, l2_backward, rand(6, 3), rand(6, 3))
    assert gradcheck(
        lambda w: l2_penalty(w, 0.3), lambda d, w: l2_penalty_backward(d, w, 0.3), rand(4, 3)
    )


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param(lambda d, b, _: d * softmax(b) / len(b), id="without the target"),
        pytest.param(lambda d, b, y: d * (softmax(b) - F.one_hot(y, 5)), id="sum in place of mean"),
        pytest.param(
            lambda d, b, y: d * (torch.sigmoid(b) - F.one_hot(y, 5)) / len(b),
            id="sigmoid in place of softmax",
        ),
    ],
)
def test_a_sabotaged_gradient_is_noticed(sabotage, gradcheck):
    y = classes(6, 5)
    assert not gradcheck(
        lambda b: softmax_cross_entropy(b, y), lambda d, b: sabotage(d, b, y), rand(6, 5)
    )


def test_a_half_is_missing_from_the_slides_l2(gradcheck):
    p, y = rand(6, 3), rand(6, 3)
    assert torch.allclose(l2(p, y), F.mse_loss(p, y, reduction="sum"), rtol=0, atol=1e-10)
    assert not gradcheck(
        l2, lambda d, p, y: (d * (p - y), d * (y - p)), p, y
    )  # right for half of it


def test_nonsense_is_refused():
    with pytest.raises(DlgbenchError, match=r"one shape are wanted; \(4, 1\) and \(4,\) came"):
        l2(rand(4, 1), rand(4))
    for y in ([0, 3], [-1, 0], [0]):
        with pytest.raises(DlgbenchError, match="2 classes from 0 to 2 are wanted"):
            softmax_cross_entropy(rand(2, 3), torch.tensor(y))
