import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlgbench.equations.batchnorm import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    fold,
    normalize,
    per_channel,
    statistics,
    update_running,
)
from dlgbench.errors import DlgbenchError

SHAPES = [(6, 3), (4, 3, 5, 2), (2, 1)]


def draw(shape):
    x = 3 * torch.randn(*shape, dtype=torch.float64) + 2
    return x, *torch.randn(2, shape[1], dtype=torch.float64)


def close(actual, expected):
    return torch.allclose(actual, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_training_is_torchs(shape):
    leaves = [v.requires_grad_() for v in draw(shape)]
    x, gamma, beta = leaves
    y = F.batch_norm(x, None, None, gamma, beta, training=True)
    d_y = torch.randn(*shape, dtype=torch.float64)
    expected = torch.autograd.grad(y, leaves, d_y)
    x, gamma, beta = (v.detach() for v in leaves)
    assert close(batch_norm(x, gamma, beta), y.detach())
    assert all(map(close, batch_norm_backward(d_y, x, gamma), expected))


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_gradcheck(shape, gradcheck):
    def backward(d_y, x, gamma, _beta):
        return batch_norm_backward(d_y, x, gamma)

    assert gradcheck(batch_norm, backward, *draw(shape))


def constants_for_statistics(d_y, x, gamma, _beta):
    _, variance = statistics(x)
    d_x, d_gamma, d_beta = batch_norm_backward(d_y, x, gamma)
    return per_channel(gamma / (variance + 1e-5).sqrt(), d_x) * d_y, d_gamma, d_beta


def no_variance_term(d_y, x, gamma, _beta):
    d_x, *rest = constants_for_statistics(d_y, x, gamma, _beta)
    return d_x - d_x.mean(0), *rest


def no_sum_over_the_batch(d_y, x, gamma, _beta):
    d_x, _, _ = batch_norm_backward(d_y, x, gamma)
    return d_x, (d_y * normalize(x, *statistics(x)))[0], d_y[0]


@pytest.mark.parametrize(
    "sabotage", [constants_for_statistics, no_variance_term, no_sum_over_the_batch]
)
def test_a_sabotaged_backward_is_noticed(sabotage, gradcheck):
    assert not gradcheck(batch_norm, sabotage, *draw((6, 3)))


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_running_averages_and_inference_are_torchs(shape):
    layer = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1]).double()
    _, gamma, beta = draw(shape)
    layer.load_state_dict({"weight": gamma, "bias": beta}, strict=False)
    mean, variance = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for _ in range(5):
        x, *_ = draw(shape)
        layer(x)
        mean, variance = update_running(mean, variance, x)
    assert close(mean, layer.running_mean)
    assert close(variance, layer.running_var)
    inferred = batch_norm_inference(x, mean, variance, gamma, beta)
    assert close(inferred, layer.eval()(x).detach())
    assert not close(inferred, batch_norm(x, gamma, beta))  # training and inference differ


def test_after_training_each_channel_has_the_mean_and_deviation_that_beta_and_gamma_say():
    x, gamma, beta = draw((4, 3, 5, 2))
    mean, variance = statistics(batch_norm(x, gamma, beta, eps=0.0))
    assert close(mean, beta)
    assert close(variance, gamma**2)


def test_the_batch_statistics_give_inference_what_training_computes():
    x, gamma, beta = draw((6, 3))
    assert close(batch_norm_inference(x, *statistics(x), gamma, beta), batch_norm(x, gamma, beta))
    a, c = fold(*statistics(x), gamma, beta)
    assert close(a * x + c, batch_norm(x, gamma, beta))


def test_training_is_invariant_to_shift_and_positive_scale_and_inference_is_not():
    x, gamma, beta = draw((6, 3))
    assert close(batch_norm(5 * x - 7, gamma, beta, eps=0.0), batch_norm(x, gamma, beta, eps=0.0))
    state = (*statistics(x), gamma, beta)
    assert not close(batch_norm_inference(5 * x - 7, *state), batch_norm_inference(x, *state))


def test_one_value_per_channel_is_refused_as_in_torch():
    x, gamma, beta = draw((1, 3))
    message = r"expected at least 2 values per channel, got an input of shape \(1, 3\)"
    with pytest.raises(DlgbenchError, match=message):
        batch_norm(x, gamma, beta)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3).double()(x)
