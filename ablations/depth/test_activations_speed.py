"""Is ReLU quicker than tanh and sigmoid in a small net?

Slides: "ReLU Solves It", "Activation functions". Krizhevsky et al. 2012, Figure 1: with ReLU a
four-layer conv net reaches 25 % training error on CIFAR-10 six times sooner than with tanh.

Protocol. The nets, data and grid of `depth/activations`, but the rate is chosen by the steps that
it takes to 12 % validation error. (Tuning cells of that file showed that the best rate for the
final error is not the quickest: tanh at rate 1 needs 130 steps, at 0.3 only 60.) There is one
tuning seed, and steps are read every 10.

Smallest effects. The catalogue of claims says "report" here. Fixed before any evaluation: 1.5 times
is the smallest ratio of steps of interest, as for batch normalization; Krizhevsky's factor of six
is a claim of its own. Both are expected to be refuted, since the tuning cells put tanh and ReLU on
a par.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

STEPS = "steps_to_target"


def quicker_than_tanh(statement: str, times: float) -> Claim:
    """ReLU needs `times` fewer steps than tanh."""
    return Claim(
        statement,
        log_ratio(STEPS, "tanh", "relu"),
        at_least(math.log(times)),
        expect="refuted",
        published="6 times sooner to 25 % training error",
        source="Krizhevsky 2012, Figure 1",
        objection="There: a deep conv net, tanh without Glorot's initialization, one rate. "
        "Here: two layers, an initialization and a rate for each.",
    )


ABLATION = Ablation(
    question="Is ReLU quicker than tanh and sigmoid in a small net?",
    slide="ReLU Solves It; Activation functions",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (256, 256, 256)},
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=128,
        steps=10_000,
        evaluations=200,
        target={"val/error": 0.12},
        probes=("dead_units",),
    ),
    arms={
        "sigmoid": {"model_args.activation": "sigmoid", "init": "glorot"},
        "tanh": {"model_args.activation": "tanh", "init": "glorot"},
        "relu": {"model_args.activation": "relu", "init": "he"},
    },
    tune={"lr": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
    select=STEPS,
    scales={
        "cpu": {
            "data": "mnist5k",
            "data_args.train": 2000,
            "data_args.val": 1000,
            "data_args.shrink": 2,
            "model_args.hidden": (64, 64),
            "batch_size": 50,
            "steps": 400,
            "evaluations": 40,
            "tuning_seeds": 1,
        },
        "gpu": {},
    },
    # as in `normalization/batchnorm_speed`
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},
    claims=[
        quicker_than_tanh("ReLU is at least 1.5 times quicker than tanh", 1.5),
        quicker_than_tanh("ReLU is 6 times quicker than tanh", 6),
        Claim(
            "ReLU is at least 1.5 times quicker than the sigmoid",
            log_ratio(STEPS, "sigmoid", "relu"),
            at_least(math.log(1.5)),
        ),
    ],
)
