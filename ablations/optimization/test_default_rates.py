"""Does it matter which update rule one takes, if one leaves its rate at the default?

Slide: "Step-size Selection & Optimizers: research problem". The counterpart of
`optimization/optimizers`, where each rate is tuned. Choi et al. 2019: a comparison of rules is a
comparison of tuning budgets.

Protocol. The net, the data and the 400 steps of `optimization/optimizers`, each rule with the rate
and the decay that torch.optim (2.14) takes when none is given. Nothing is tuned: that is the
question. The pair that must differ, by 5 points, was named beforehand: SGD, whose 0.001 is a guess,
and Adam, whose 0.001 is its paper's. R-prop runs on minibatches here: its steps grow while the
signs of the gradient agree and shrink where they turn, and noise turns them.
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
ARMS = {name: {"optimizer": name, "lr": lr} for name, lr in DEFAULTS.items()}
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "model_args.hidden": (64, 64),
    "steps": 400,
}
FIVE_POINTS = at_least(0.05)

ABLATION = Ablation(
    question="Does it matter which update rule one takes, if one leaves its rate at the default?",
    slide="Step-size Selection & Optimizers: research problem",
    recipe=Recipe(
        model="mlp",
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=50,
        steps=10_000,
        evaluations=20,
    ),
    arms={**ARMS, "adamw": ARMS["adamw"] | {"weight_decay": 0.01}},
    scales={"cpu": SMALL, "gpu": {}},
    claims=[
        Claim(
            "At default rates SGD is 5 points worse than Adam",
            difference("test/error", "sgd", "adam"),
            FIVE_POINTS,
            objection="It says nothing about the rules: tuned, they tie (optimization/optimizers).",
        ),
        Claim(
            "On minibatches R-prop is 5 points worse than Adam",
            difference("test/error", "rprop", "adam"),
            FIVE_POINTS,
            source="Hinton 2012, Coursera lecture 6e",
            objection="In full batch it is fast.",
        ),
    ],
)
