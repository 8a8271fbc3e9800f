"""A/A twin of stochastic gradient: does SGD with B = N, a full batch under another name, beat full batch?

Both arms take all 2,000 examples for each of 10 updates, from the same data split, with fresh weights and order. The main claim of
`optimization/stochastic_gradient`, half the training loss at equal epochs, must not come out supported.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

LN2, N = 0.6931471805599453, 2000
SMALL = {
    "data": "mnist5k",
    "data_args.shrink": 2,
    "data_args.val": 1000,
    "model_args.hidden": (64,),
    "tuning_seeds": 1,
}

ABLATION = Ablation(
    question="Does SGD with B = N beat full batch?",
    slide="Gradient Descent vs Stochastic Gradient Descent",
    recipe=Recipe(model="mlp", model_args={"hidden": (1024,)}, data="fashion_mnist", data_args={"train": N, "val": 10_000},
                  batch_size=N, steps=10, evaluations=10),
    arms={"full": {}, "sgd_of_n": {"random_stream": 1}},
    tune={"lr": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
    select="val/loss",
    scales={"cpu": SMALL, "gpu": {}},
    claims=[Claim("A/A: SGD with B = N halves the training loss of full batch", log_ratio("train/loss", "full", "sgd_of_n"), at_least(LN2),
                  expect="not supported")],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
