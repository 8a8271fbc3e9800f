"""Is the sign of the gradient enough?"""

from dlgbench import Ablation, Claim, Recipe, at_most, value

ABLATION = Ablation(
    question="Is the sign of the gradient enough?",
    recipe=Recipe(
        model="mlp",
        model_args={"activation": "softplus", "hidden": (32,)},
        data="rings",
        init="uniform",
        optimizer="sign_sgd",
        schedule="square_root",
        steps=60,
        evaluations=2,
    ),
    arms={"sign": {}},
    tune={"lr": (0.003, 0.01)},
    scales={"cpu": {"seeds": 5, "tuning_seeds": 1}, "gpu": {}},
    claims=[Claim("It is", value("test/error", "sign"), at_most(0.6))],
)
