import itertools

import pytest
import torch
import torch.nn.functional as F

from dlgbench.equations.dropout import (
    dropout,
    dropout_backward,
    inverted_dropout,
    inverted_dropout_backward,
    mask,
    weights_at_test,
)
from dlgbench.errors import DlgbenchError

P = 0.7


def rand(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def rng(seed):
    return torch.Generator().manual_seed(seed)


def expectation(block, units, p=P):
    """The mean of a block over all 2^units thinned nets, weighted by their probabilities."""
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)
    return sum(p ** r.sum() * (1 - p) ** (units - r.sum()) * block(r) for r in masks)


def test_the_mask_retains_its_share():
    r = mask((200, 500), P, rng(0))
    assert set(r.unique().tolist()) == {0.0, 1.0}
    assert r.mean().item() == pytest.approx(P, abs=4 * (P * (1 - P) / r.numel()) ** 0.5)
    assert mask((50,), 1.0, rng(0)).all()
    assert torch.equal(mask((9,), P, rng(1)), mask((9,), P, rng(1)))
    assert not torch.equal(mask((99,), P, rng(1)), mask((99,), P, rng(2)))


def test_gradchecks(gradcheck):
    r = mask((4, 5), P, rng(0))

    def plain(y):
        return dropout(y, r)

    def plain_backward(d_out, _):
        return dropout_backward(d_out, r)

    def inverted(y):
        return inverted_dropout(y, r, P)

    def inverted_backward(d_out, _):
        return inverted_dropout_backward(d_out, r, P)

    y = rand(4, 5)
    assert gradcheck(plain, plain_backward, y)
    assert gradcheck(inverted, inverted_backward, y)
    assert not gradcheck(plain, lambda d_out, _: d_out, y)  # without the mask
    assert not gradcheck(inverted, plain_backward, y)  # without the scaling


def test_the_inverted_form_is_torchs_with_1_minus_p():
    y = rand(40, 50).requires_grad_()
    out = F.dropout(y, 1 - P)
    r, d_out = (out != 0).double(), rand(40, 50)
    assert r.mean().item() == pytest.approx(P, abs=0.05)
    (expected,) = torch.autograd.grad(out, y, d_out)
    assert torch.allclose(inverted_dropout(y.detach(), r, P), out.detach(), rtol=0, atol=1e-10)
    assert torch.allclose(inverted_dropout_backward(d_out, r, P), expected, rtol=0, atol=1e-10)


def test_both_forms_at_test_are_the_mean_of_all_thinned_linear_nets():
    y, w = rand(6), rand(6, 3)
    plain = expectation(lambda r: dropout(y, r) @ w, 6)
    assert torch.allclose(plain, y @ weights_at_test(w, P), rtol=0, atol=1e-10)
    inverted = expectation(lambda r: inverted_dropout(y, r, P) @ w, 6)
    assert torch.allclose(inverted, y @ w, rtol=0, atol=1e-10)


def test_the_mean_shows_a_wrong_scale_and_is_approximate_after_a_nonlinearity():
    y, w = rand(6), rand(6, 3)
    mean = expectation(lambda r: dropout(y, r) @ w, 6)
    assert not torch.allclose(mean, y @ w, atol=1e-3)  # no scaling at test time
    confused = y @ weights_at_test(w, 1 - P)  # torch's p in place of the paper's
    assert not torch.allclose(mean, confused, atol=1e-3)
    mean = expectation(lambda r: torch.relu(dropout(y, r) @ w), 6)
    assert not torch.allclose(mean, torch.relu(y @ weights_at_test(w, P)), atol=1e-3)


def test_the_forms_are_one_net_in_two_scales():
    y, w, r = rand(4, 6), rand(6, 3), mask((4, 6), P, rng(0))
    rescaled = inverted_dropout(y, r, P) @ weights_at_test(w, P)
    assert torch.allclose(rescaled, dropout(y, r) @ w, rtol=0, atol=1e-10)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1])
def test_invalid_probabilities_are_refused(p):
    with pytest.raises(
        DlgbenchError, match=f"expected a probability to retain 0 < p <= 1, got {p}"
    ):
        mask((3,), p, rng(0))
