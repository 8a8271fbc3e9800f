"""A/A twin of batchnorm_regularization: does dropout gain less beside a net's twin?

Two by two, replicate x dropout, without any batch normalization: the second pair differs from the first in fresh weights, order and noise only. The interaction
that `normalization/batchnorm_regularization` claims must not come out supported.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, interaction

TWIN, DROP = {"random_stream": 1}, {"model_args.dropout": 0.5}
SMALL = {"data": "mnist5k", "data_args.train": 500, "data_args.val": 2000, "data_args.shrink": 2, "model_args.hidden": (128, 128), "batch_size": 50,
         "steps": 1000, "evaluations": 5}  # fmt: skip

ABLATION = Ablation(
    question="Does dropout gain less beside a net's twin?",
    slide="Batch Normalization: used in all current systems",
    recipe=Recipe(model="mlp", model_args={"hidden": (1024,) * 3}, data="fashion_mnist", data_args={"val": 10_000},
                  optimizer="adam", schedule="linear", steps=30_000),
    arms={"none": {}, "dropout": DROP, "twin": TWIN, "twin_dropout": TWIN | DROP},
    tune={"lr": (0.0003, 0.001, 0.002, 0.003, 0.006, 0.01)},
    scales={"cpu": {**SMALL, "tuning_seeds": 1}, "gpu": {}},
    claims=[
        Claim("A/A: beside the twin dropout gains at least half a point less", interaction("test/error", ("none", "dropout"), ("twin", "twin_dropout")),
              at_least(0.005), expect="not supported"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
