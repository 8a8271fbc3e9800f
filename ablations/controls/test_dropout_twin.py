"""A/A twin of dropout: does dropout beat dropout?

Two arms that differ in name only: the same recipe and data split, fresh weights, order and noise. The main claim of `regularization/dropout`
must not come out supported here; the share of such twins that do is the suite's measured false-positive rate.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

RATES = (0.0003, 0.001, 0.002, 0.003, 0.006, 0.01)
SMALL = {
    "data": "mnist5k",
    "data_args.val": 2000,
    "data_args.shrink": 2,
    "model_args.hidden": (256, 256),
    "batch_size": 50,
    "evaluations": 10,
}
N500 = {"data_args.train": 500, "steps": 2000, "tuning_seeds": 1}

ABLATION = Ablation(
    question="Does dropout beat dropout?",
    slide="Dropout Performance",
    recipe=Recipe(model="mlp", model_args={"hidden": (1024,) * 3, "dropout": 0.5}, data="fashion_mnist", data_args={"val": 10_000},
                  optimizer="adam", schedule="linear", steps=30_000),
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}},
    tune={"lr": RATES},
    scales={"cpu": SMALL | N500, "gpu": {}},
    claims=[Claim("A/A: the twin of dropout lowers the test error", difference("test/error", "twin_a", "twin_b"), at_least(0.005), expect="not supported")],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
