"""A/A twin of learning rate: does one rate under five names show a U?

Five arms with the rate 0.1 and the same data split, fresh weights and order. The claims of `optimization/learning_rate`, the middle one beats both
ends by 10 points, and that of `optimization/schedules`, the second is as good as the first or better, must not come out supported.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "model_args.hidden": (64, 64),
    "steps": 400,
}
ERROR = "test/error"

ABLATION = Ablation(
    question="Does one rate under five names show a U?",
    slide="Learning rate",
    recipe=Recipe(model="mlp", data="fashion_mnist", data_args={"val": 10_000}, batch_size=50, steps=10_000, evaluations=20),
    arms={f"rate_{name}": {"random_stream": k} for k, name in enumerate("abcde")},
    scales={"cpu": SMALL, "gpu": {}},
    claims=[
        Claim("A/A: the middle name beats the first by 10 points", difference(ERROR, "rate_a", "rate_c"), at_least(0.1), expect="not supported"),
        Claim("A/A: the middle name beats the last by 10 points", difference(ERROR, "rate_e", "rate_c"), at_least(0.1), expect="not supported"),
        Claim("A/A: the second name is as good as the first or better", difference(ERROR, "rate_a", "rate_b"), at_least(0), expect="not supported"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
