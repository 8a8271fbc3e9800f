"""A/A twin of activations_speed: is ReLU quicker than ReLU?

Two arms that differ in name only: the same recipe and data split, fresh weights and order. The main claim of `depth/activations_speed` must not come out
supported. (That ReLU twice also *ends* equal is an arm of `depth/activations`.)
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

SMALL = {"data": "mnist5k", "data_args.train": 2000, "data_args.val": 1000, "data_args.shrink": 2, "batch_size": 50, "steps": 400, "evaluations": 40,
         "model_args.hidden": (64, 64)}  # fmt: skip

ABLATION = Ablation(
    question="Is ReLU quicker than ReLU?",
    slide="ReLU Solves It; Activation functions",
    recipe=Recipe(model="mlp", model_args={"hidden": (256, 256, 256)}, data="fashion_mnist", data_args={"val": 10_000}, batch_size=128, steps=10_000,
                  evaluations=200, target={"val/error": 0.12}, probes=("dead_units",)),
    arms={"twin_a": {"model_args.activation": "relu", "init": "he"}, "twin_b": {"model_args.activation": "relu", "init": "he", "random_stream": 1}},
    tune={"lr": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
    select="steps_to_target",
    scales={"cpu": {**SMALL, "tuning_seeds": 1}, "gpu": {}},
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},  # as in `normalization/batchnorm_speed`
    claims=[Claim("A/A: ReLU is 1.5 times quicker than its twin", log_ratio("steps_to_target", "twin_a", "twin_b"), at_least(math.log(1.5)),
                  expect="not supported")],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
