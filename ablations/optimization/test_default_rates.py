"""Does it matter which update rule one takes, if one leaves its rate at the default?

Slide: "Step-size Selection & Optimizers: research problem". The counterpart of `optimization/optimizers`, where each rate is tuned. Choi et al. 2019:
a comparison of rules is one of tuning budgets.

Protocol. The net, data and 400 steps of `optimization/optimizers`, each rule with the rate and decay that torch.optim takes when none is given
(2.14). Nothing is tuned: that is the question. The pair that must differ by 5 points was named beforehand: SGD, whose 0.001 is a guess, and Adam,
whose 0.001 is its paper's. R-prop on minibatches: its steps grow while signs agree and shrink where they turn, and noise turns them.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

DEFAULTS = {
    "sgd": 0.001,
    "momentum": 0.001,
    "nag": 0.001,
    "adagrad": 0.01,
    "rmsprop": 0.01,
    "adadelta": 1.0,
    "adam": 0.001,
    "adamw": 0.001,
    "rprop": 0.01,
}
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "model_args.hidden": (64, 64),
    "steps": 400,
}

ABLATION = Ablation(
    question="Does it matter which update rule one takes, if one leaves its rate at the default?",
    slide="Step-size Selection & Optimizers: research problem",
    recipe=Recipe(model="mlp", data="fashion_mnist", data_args={"val": 10_000}, batch_size=50, steps=10_000, evaluations=20),
    arms={name: {"optimizer": name, "lr": lr} | ({"weight_decay": 0.01} if name == "adamw" else {}) for name, lr in DEFAULTS.items()},
    scales={"cpu": SMALL, "gpu": {}},
    claims=[
        Claim("At default rates SGD is 5 points worse than Adam", difference("test/error", "sgd", "adam"), at_least(0.05),
              objection="It says nothing about the rules: tuned, they tie (optimization/optimizers)."),
        Claim("On minibatches R-prop is 5 points worse than Adam", difference("test/error", "rprop", "adam"), at_least(0.05),
              objection="In full batch it is fast.", source="Hinton 2012, Coursera lecture 6e"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
