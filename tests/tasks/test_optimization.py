import math

import pytest
import torch
from torch import nn

from dlgbench import Recipe
from dlgbench.tasks.optimization import SCHEDULES, constrain, optimizer, schedule


def test_schedules_are_torchs():
    rule = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = {"constant": torch.optim.lr_scheduler.ConstantLR(rule, 1.0), "cosine": torch.optim.lr_scheduler.CosineAnnealingLR(rule, 10)}
    del theirs["constant"]
    for name, scheduler in theirs.items():
        for step in range(10):
            assert SCHEDULES[name](step / 10) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
            rule.step()
            scheduler.step()
    assert [SCHEDULES["linear"](t) for t in (0, 0.25, 0.5)] == [1, 0.75, 0.5]
    assert schedule(Recipe(model="mlp", steps=0))(0.7) == 1.0


def test_weight_decay_is_two_lambda_of_the_slides():
    w = nn.Parameter(torch.tensor([3.0]))
    rule = optimizer(Recipe(model="mlp", steps=0, lr=0.1, weight_decay=0.2), [w])
    w.grad = torch.tensor([1.0])
    rule.step()
    assert w.item() == pytest.approx(3 - 0.1 * (1 + 2 * 0.1 * 3))  # lambda = 0.1


def test_max_norm_scales_back_only_what_exceeds_it():
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    constrain(nn.Sequential(layer), 1.0)
    assert torch.allclose(layer.weight, torch.tensor([[0.6, 0.8], [0.3, 0.4]]), atol=1e-6)
    assert math.isclose(layer.weight[0].norm().item(), 1.0, rel_tol=1e-5)
