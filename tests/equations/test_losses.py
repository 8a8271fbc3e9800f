from functools import partial

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


@pytest.mark.parametrize("scale", [1.0, 30.0, 2000.0])  # exp(2000) overflows
def test_cross_entropy_is_torchs(scale):
    b, y = (scale * rand(6, 5)).requires_grad_(), classes(6, 5)
    loss = F.cross_entropy(b, y)
    (expected,) = torch.autograd.grad(loss, b)
    b = b.detach()
    assert torch.allclose(softmax_cross_entropy(b, y), loss.detach(), rtol=1e-10, atol=1e-10)
    assert torch.allclose(softmax_cross_entropy_backward(ONE, b, y), expected, rtol=0, atol=1e-10)
    assert torch.allclose(softmax(b), b.softmax(1), rtol=0, atol=1e-10)


def test_equal_logits_cost_log_c():
    equal = torch.zeros(3, 10, dtype=torch.float64)
    assert softmax_cross_entropy(equal, classes(3, 10)).item() == pytest.approx(2.302585093)


def test_gradchecks(gradcheck):
    y = classes(6, 5)
    block, backward = (
        partial(f, y=y) for f in (softmax_cross_entropy, softmax_cross_entropy_backward)
    )
    assert gradcheck(block, backward, rand(6, 5))
    assert gradcheck(l2, l2_backward, rand(6, 3), rand(6, 3))
    block, backward = (partial(f, lam=0.3) for f in (l2_penalty, l2_penalty_backward))
    assert gradcheck(block, backward, rand(4, 3))


SABOTAGES = {
    "without the target": lambda d, b, _: d * softmax(b) / len(b),
    "sum in place of mean": lambda d, b, y: d * (softmax(b) - F.one_hot(y, 5)),
    "sigmoid in place of softmax": lambda d, b, y: (
        d * (torch.sigmoid(b) - F.one_hot(y, 5)) / len(b)
    ),
}


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_sabotaged_gradient_is_noticed(name, gradcheck):
    y = classes(6, 5)
    block = partial(softmax_cross_entropy, y=y)
    assert not gradcheck(block, lambda d, b: SABOTAGES[name](d, b, y), rand(6, 5))


def test_a_half_is_missing_from_the_slides_l2(gradcheck):
    p, y = rand(6, 3), rand(6, 3)
    assert torch.allclose(l2(p, y), F.mse_loss(p, y, reduction="sum"), rtol=0, atol=1e-10)
    # This would be the gradient of half of the loss.
    assert not gradcheck(l2, lambda d, p, y: (d * (p - y), d * (y - p)), p, y)


def test_invalid_targets_are_refused():
    with pytest.raises(DlgbenchError, match=r"the same shape, got \(4, 1\) and \(4,\)"):
        l2(rand(4, 1), rand(4))
    for y in ([0, 3], [-1, 0], [0]):
        with pytest.raises(DlgbenchError, match=r"expected 2 classes from 0 to 2, got \["):
            softmax_cross_entropy(rand(2, 3), torch.tensor(y))
