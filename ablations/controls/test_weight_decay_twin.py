"""A/A twin of weight decay: does lambda = 0 beat lambda = 0?

The classifier of `optimization/weight_decay_classification` on 500 digits with 30 % noisy labels, without decay under two names: the same data split,
fresh weights and order. And the polynomial of `optimization/weight_decay`, where from zero and in full batch nothing is left to chance: the two must
agree to the bit, but for the order of the sums.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, log_ratio

CURVE = {"model": "linear", "model_args": {}, "data": "polynomial", "data_args": {"train": 15, "val": 1000, "standardize": False}, "task": "regression",
         "init": "zero", "optimizer": "adam", "schedule": "cosine", "batch_size": 15, "steps": 1500}  # fmt: skip
SMALL = {
    "data": "mnist5k",
    "data_args": {"val": 2000, "shrink": 2, "train": 500, "label_noise": 0.3},
    "model_args.hidden": (128, 128),
}
EXPECT = "not supported"

ABLATION = Ablation(
    question="Does lambda = 0 beat lambda = 0?",
    slide="Regularization in SGD: Weight Decay",
    recipe=Recipe(model="mlp", model_args={"hidden": (1024, 1024)}, data="fashion_mnist", data_args={"train": 500, "val": 10_000, "label_noise": 0.3},
                  optimizer="momentum", batch_size=50, steps=800, evaluations=10),
    arms={"zero": {}, "zero_again": {"random_stream": 1}, "curve_zero": CURVE | {"lr": 0.03}, "curve_zero_again": CURVE | {"lr": 0.03, "random_stream": 1}},
    scales={"cpu": SMALL | {"lr": 0.01, "seeds": 10}, "gpu": {"lr": 0.01}},
    claims=[
        Claim("A/A: no weight decay lowers the test error of no weight decay", difference("test/error", "zero", "zero_again"), at_least(0.005), expect=EXPECT),
        Claim("A/A: no weight decay lowers the test error of regression by a fifth", log_ratio("test/mse", "curve_zero", "curve_zero_again"),
              at_least(0.22314355131420976), expect=EXPECT),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
