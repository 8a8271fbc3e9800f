"""A/A twins of linear separability: does a classifier beat itself?

Arms that differ in name only: the same recipe and data split, fresh weights and order. The main claim of `basics/linear_separability`, 10 points
on XOR, must not come out supported: neither for two MLPs nor for two perceptrons, whose errors on XOR scatter widely.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

MODELS = {
    "perceptron": {
        "model": "perceptron",
        "model_args": {},
        "loss": "perceptron",
        "init": "default",
        "optimizer": "sgd",
    },
    "mlp": {"model_args.hidden": (32, 32)},
}

ABLATION = Ablation(
    question="Does a classifier beat itself?",
    slide="Nonlinear decision boundaries",
    recipe=Recipe(model="mlp", data="xor", optimizer="adam", schedule="linear", steps=300, evaluations=3),
    arms={f"{model}_{twin}": change | {"random_stream": k} for model, change in MODELS.items() for k, twin in enumerate("ab")},
    tune={"lr": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)},
    select="val/loss",
    scales={"cpu": {"tuning_seeds": 1}, "gpu": {"steps": 5000}},
    claims=[
        Claim(f"A/A: the {model}'s twin beats it: XOR", difference("test/error", f"{model}_a", f"{model}_b"), at_least(0.10), expect="not supported")
        for model in MODELS
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
