"""Numerical gradients, against which the blocks of dlgbench.equations are tested."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def gradcheck():
    """gradcheck(block, block_backward, *inputs): do gradients by hand equal finite differences?

    The gradients of all inputs are compared, in float64.
    """

    def check(block, backward, *inputs):
        class ByHand(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *inputs):
                ctx.save_for_backward(*inputs)
                return block(*inputs)

            @staticmethod
            def backward(ctx, d_output):
                assert not torch.is_grad_enabled()  # by hand, not by autograd
                return backward(d_output, *ctx.saved_tensors)

        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        return torch.autograd.gradcheck(ByHand.apply, leaves, raise_exception=False)

    return check
