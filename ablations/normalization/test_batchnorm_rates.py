"""Does batch normalization take faster learning rates?

Slide: "Batch Normalization: used in all current systems": "Employ faster learning rates". Ioffe &
Szegedy 2015, sections 3.3 and 4.2.1.

Protocol. The nets and data of `normalization/batchnorm_speed` at fixed rates, without tuning. A
rate is usable if the test error at the end is at most 30 %. To show that the usable range is at
least 3 times as wide, the normalized net must train at 3 times a rate at which the plain one fails.
The rates come from tuning cells (three seeds): the plain sigmoid net trains up to rate 4 and fails
at 8, the normalized one trains at 20 and 30; the plain ReLU net trains up to .5 and diverges at 1,
the normalized one trains at 3 and fails at 5. The second question is that of "the same rate" in the
slide's plot: the steps to 12 % validation error of both nets at the rate that suits the *plain*
one; 1.5 times is the smallest ratio of interest. A plain net that diverges has the worst rank there
is; the interval is then that of the median.

Seeds. With ten, two claims about sigmoid nets stayed undecided (.49 [.28, .70] against .3, and 2.7
times [1.4, 5.0] against 1.5); decisions at this spread take 12 and 13. Twenty at cpu were declared
before the rerun, which decided all. Fifteen now, to keep the suite's time in bounds.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, log_ratio, value

ERROR, STEPS = "test/error", "steps_to_target"
BN = {"model_args.norm": "batch"}
SIGMOID = {"model_args.activation": "sigmoid", "init": "glorot"}
RELU = {"model_args.activation": "relu", "init": "he", "steps": 250, "evaluations": 50}
NETS = ("sigmoid", "relu")

ABLATION = Ablation(
    question="Does batch normalization take faster learning rates?",
    slide="Batch Normalization: used in all current systems",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (100, 100, 100)},
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=60,
        steps=10_000,
        evaluations=500,
        target={"val/error": 0.15},
        probes=("drift",),
    ),
    arms={
        "sigmoid_same": SIGMOID | {"lr": 3.0},
        "sigmoid_bn_same": SIGMOID | BN | {"lr": 3.0},
        "sigmoid_hot": SIGMOID | {"lr": 8.0},
        "sigmoid_bn_hotter": SIGMOID | BN | {"lr": 24.0},
        "relu_same": RELU | {"lr": 0.3},
        "relu_bn_same": RELU | BN | {"lr": 0.3},
        "relu_hot": RELU | {"lr": 1.0},
        "relu_bn_hotter": RELU | BN | {"lr": 3.0},
    },
    scales={
        "cpu": {
            "seeds": 15,
            "data": "mnist5k",
            "data_args.train": 2000,
            "data_args.val": 1000,
            "data_args.shrink": 2,
            "batch_size": 50,
            "steps": 500,
            "evaluations": 50,
            "target": {"val/error": 0.12},
        },
        "gpu": {"arms": ("sigmoid_same", "sigmoid_bn_same", "sigmoid_hot", "sigmoid_bn_hotter")},
    },
    # as in `normalization/batchnorm_speed`
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},
    claims=[
        *(
            Claim(
                f"{net}: with batch normalization three times the rate at which the plain net "
                "fails still trains",
                difference(ERROR, f"{net}_hot", f"{net}_bn_hotter"),
                at_least(0.3),
                published="x30 the baseline's rate still trains, and better than x5",
                source="Ioffe 2015, Figure 3",
            )
            for net in NETS
        ),
        *(
            Claim(f"{net}: that rate is usable", value(ERROR, f"{net}_bn_hotter"), at_most(0.3))
            for net in NETS
        ),
        *(
            Claim(
                f"{net}: at the plain net's rate it is 1.5 times quicker",
                log_ratio(STEPS, f"{net}_same", f"{net}_bn_same"),
                at_least(math.log(1.5)),
            )
            for net in NETS
        ),
    ],
    objection="Usable is not best: the rates at which normalized nets are quickest lie within a "
    "factor of three of the plain nets'.",
)
