"""x"""
from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Does dropout lower the test error of an over-parameterised MLP?",
    slide="Dropout",
    recipe=Recipe(model="mlp", model_args={"hidden": (128, 128)}, data="mnist5k", data_args={"train": 500, "val": 1000}, optimizer="adam", batch_size=50),
    arms={"none": {}, "dropout": {"model_args.dropout": 0.5}},
    tune={"lr": (0.001, 0.003, 0.01)},
    scales={"cpu": {"steps": 300, "seeds": 5}, "gpu": {}},
    claims=[Claim("Dropout lowers the test error", difference("test/error", "none", "dropout"), at_least(0.005))],
)


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
