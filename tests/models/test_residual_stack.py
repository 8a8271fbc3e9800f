import pytest
import torch
from torch.nn import functional as F

from dlgbench import DlgbenchError, create_model

SHAPE = {"input_shape": (2, 6, 7), "num_classes": 3, "channels": 4, "blocks": 2}


def build(**args):
    torch.manual_seed(0)
    return create_model("residual_stack", **SHAPE, **args)


@pytest.mark.parametrize("skip", [True, False])
def test_a_stack_is_its_equation(skip):
    network = build(skip=skip).double()
    for p in network.parameters():
        torch.nn.init.normal_(p)
    x, p = torch.rand(2, 2, 6, 7, dtype=torch.float64), list(network.parameters())
    z = F.conv2d(x, p[0], p[1], padding=1).relu()
    for k in (2, 6):
        y = F.conv2d(z, p[k], p[k + 1], padding=1).relu()
        z = ((z if skip else 0) + F.conv2d(y, p[k + 2], p[k + 3], padding=1)).relu()
    assert len(p) == 12
    assert torch.allclose(network(x), F.conv2d(z, p[10], p[11], padding=1), rtol=1e-12)


def test_blocks_begin_as_the_identity_and_the_other_weights_as_the_plain_ones():
    residual, plain, x = build(), build(skip=False), torch.rand(2, 2, 6, 7)
    stem = residual[1](residual[0](x))
    assert torch.equal(residual[2](stem), stem)
    assert torch.equal(residual(x), residual[-1](stem))
    last = "branch.2.weight"
    for (name, a), b in zip(residual.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, torch.zeros_like(b) if name.endswith(last) else b)


def test_without_its_shortcuts_it_is_the_plain_stack_to_the_bit():
    cut, plain, x = build(shortcut_scale=0.0), build(skip=False), torch.rand(2, 2, 6, 7)
    assert torch.equal(cut(x), plain(x))
    wanted = "residual_stack: expected shortcut_scale=1, since there are no shortcuts, got 0.0"
    with pytest.raises(DlgbenchError, match=wanted):
        build(skip=False, shortcut_scale=0.0)
