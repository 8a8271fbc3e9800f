"""Sabotage of batch normalization: do the claims on speed and drift notice that it was replaced by the identity?

The arm `identity` asks for batch normalization and gets nn.Identity in its place. It then pairs with `none` to the bit: the ratio of steps and of drift must be
exactly 1 (log ratio 0) for every seed, and the claims of `normalization/batchnorm_speed` and `internal_covariate_shift` must not come out supported.
ReLU nets: they all reach the target, and an exact ratio wants no censored run.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, exactly, log_ratio

SMALL = {"data": "mnist5k", "data_args.train": 2000, "data_args.val": 1000, "data_args.shrink": 2, "batch_size": 50,
         "target": {"val/error": 0.12}, "steps": 250, "evaluations": 50}  # fmt: skip
STEPS, DRIFT = (
    log_ratio(metric, "none", "identity") for metric in ("steps_to_target", "drift/mean")
)

ABLATION = Ablation(
    question="Do the claims on speed and drift notice that batch normalization was replaced by the identity?",
    slide="Batch Normalization: used in all current systems; Internal Covariate Shift",
    recipe=Recipe(model="mlp", model_args={"hidden": (100, 100, 100), "activation": "relu"}, data="fashion_mnist", data_args={"val": 10_000}, batch_size=60,
                  steps=10_000, evaluations=500, target={"val/error": 0.15}, probes=("drift",)),
    arms={"none": {}, "identity": {"model_args.norm": "batch", "identity": ("BatchNorm1d",)}},
    tune={"lr": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)},
    select="steps_to_target",
    scales={"cpu": {**SMALL, "tuning_seeds": 1}, "gpu": {}},
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},  # as in `normalization/batchnorm_speed`
    claims=[
        Claim("Sabotage: with the identity in its place the target is reached in 1.5 times fewer samples", STEPS, at_least(math.log(1.5)),
              expect="not supported"),
        Claim("Sabotage: with the identity in its place the drift is lower", DRIFT, at_least(math.log(1.5)), expect="not supported"),
        Claim("Pairing: the ratio of steps is 1, to the bit", STEPS, exactly(0)),
        Claim("Pairing: the ratio of drift is 1, to the bit", DRIFT, exactly(0)),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
