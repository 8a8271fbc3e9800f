"""A/A twin of batch normalization: is it quicker than itself, and does it drift less?

Two normalized ReLU nets that differ in name only: the same recipe and data split, fresh weights and order. The claims of `normalization/batchnorm_speed` and
`internal_covariate_shift`, which share their recipe and their form, must not come out supported.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

SMALL = {"data": "mnist5k", "data_args.train": 2000, "data_args.val": 1000, "data_args.shrink": 2, "batch_size": 50,
         "target": {"val/error": 0.12}, "steps": 250, "evaluations": 50}  # fmt: skip
BN = {"model_args.norm": "batch", "model_args.activation": "relu", "init": "he"}
MORE = at_least(math.log(1.5))

ABLATION = Ablation(
    question="Is batch normalization quicker than itself, and does it drift less?",
    slide="Batch Normalization: used in all current systems; Internal Covariate Shift",
    recipe=Recipe(model="mlp", model_args={"hidden": (100, 100, 100)}, data="fashion_mnist", data_args={"val": 10_000}, batch_size=60, steps=10_000,
                  evaluations=500, target={"val/error": 0.15}, probes=("drift",)),
    arms={"twin_a": BN, "twin_b": BN | {"random_stream": 1}},
    tune={"lr": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)},
    select="steps_to_target",
    scales={"cpu": {**SMALL, "tuning_seeds": 1}, "gpu": {}},
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},  # as in `normalization/batchnorm_speed`
    claims=[
        Claim("A/A: the twin reaches the target in 1.5 times fewer samples", log_ratio("steps_to_target", "twin_a", "twin_b"), MORE, expect="not supported"),
        Claim("A/A: the twin drifts less", log_ratio("drift/mean", "twin_a", "twin_b"), MORE, expect="not supported"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
