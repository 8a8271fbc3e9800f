"""Sabotage of dropout: does the claim notice that dropout was replaced by the identity?

The arm `identity` asks for dropout and gets nn.Identity in its place. It then pairs with `none` to the bit: the effect must be exactly 0 for every
seed, and the main claim of `regularization/dropout` must not come out supported. Nor may it for a net of 16 hidden units, which has
nothing to spare: there is no over-fitting to cure, and half of it is not enough.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, exactly

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
EFFECT, SMALL_NET = (
    difference("test/error", "none", "identity"),
    difference("test/error", "none_16", "dropout_16"),
)

ABLATION = Ablation(
    question="Does the claim notice that dropout was replaced by the identity?",
    slide="Dropout Performance",
    recipe=Recipe(model="mlp", model_args={"hidden": (1024,) * 3}, data="fashion_mnist", data_args={"val": 10_000},
                  optimizer="adam", schedule="linear", steps=30_000),
    arms={
        "none": {},
        "identity": {"model_args.dropout": 0.5, "identity": ("Dropout",)},
        "none_16": {"model_args.hidden": (16,)},
        "dropout_16": {"model_args.hidden": (16,), "model_args.dropout": 0.5},
    },
    tune={"lr": RATES},
    scales={"cpu": SMALL | N500, "gpu": {}},
    claims=[
        Claim("Sabotage: dropout replaced by the identity lowers the test error", EFFECT, at_least(0.005), expect="not supported"),
        Claim("Sabotage: dropout lowers the test error of a net of 16 units", SMALL_NET, at_least(0.005), expect="not supported"),
        Claim("Pairing: dropout replaced by the identity changes nothing, to the bit", EFFECT, exactly(0)),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
