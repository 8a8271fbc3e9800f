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
    """The mean of a block over all 2^units thinned nets, each with its probability."""
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
    assert gradcheck(lambda y: dropout(y, r), lambda d, _: dropout_backward(d, r), rand(4, 5))
    assert gradcheck(
        lambda y: inverted_dropout(y, r, P),
        lambda d, _: inverted_dropout_backward(d, r, P),
        rand(4, 5),
    )
    assert not gradcheck(
        lambda y: dropout(y, r), lambda d, _: d, rand(4, 5)
    )  # the mask forgotten in backward
    assert not gradcheck(
        lambda y: inverted_dropout(y, r, P), lambda d, _: dropout_backward(d, r), rand(4, 5)
    )  # the scaling forgotten


def test_the_inverted_form_is_torchs_with_what_is_dropped_for_p():
    y = rand(40, 50).requires_grad_()
    out = F.dropout(y, 1 - P)
    r, d_out = (out != 0).double(), rand(40, 50)
    assert r.mean().item() == pytest.approx(P, abs=0.05)
    (expected,) = torch.autograd.grad(out, y, d_out)
    assert torch.allclose(inverted_dropout(y.detach(), r, P), out.detach(), rtol=0, atol=1e-10)
    assert torch.allclose(inverted_dropout_backward(d_out, r, P), expected, rtol=0, atol=1e-10)


def test_both_forms_at_test_are_the_mean_of_all_thinned_linear_nets():
    y, w = rand(6), rand(6, 3)
    at_test = y @ weights_at_test(w, P)
    assert torch.allclose(expectation(lambda r: dropout(y, r) @ w, 6), at_test, rtol=0, atol=1e-10)
    assert torch.allclose(
        expectation(lambda r: inverted_dropout(y, r, P) @ w, 6), y @ w, rtol=0, atol=1e-10
    )


def test_that_mean_notices_a_missing_scale_and_is_but_approximate_past_a_nonlinearity():
    y, w = rand(6), rand(6, 3)
    assert not torch.allclose(
        expectation(lambda r: dropout(y, r) @ w, 6), y @ w, atol=1e-3
    )  # no scaling at test
    assert not torch.allclose(
        expectation(lambda r: dropout(y, r) @ w, 6), y @ weights_at_test(w, 1 - P), atol=1e-3
    )  # torch's p for the paper's
    net = torch.relu(y @ weights_at_test(w, P))
    assert not torch.allclose(
        expectation(lambda r: torch.relu(dropout(y, r) @ w), 6), net, atol=1e-3
    )


def test_the_forms_are_one_net_in_two_scales():
    y, w, r = rand(4, 6), rand(6, 3), mask((4, 6), P, rng(0))
    assert torch.allclose(
        inverted_dropout(y, r, P) @ weights_at_test(w, P), dropout(y, r) @ w, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1])
def test_a_retention_that_is_none_is_refused(p):
    with pytest.raises(DlgbenchError, match="retention 0 < p <= 1"):
        mask((3,), p, rng(0))
