"""A/A twins of linear separability: does a classifier beat itself?

Arms that differ in name only: the same recipe and data split, fresh weights and order. The main
claim of `basics/linear_separability`, 10 points on XOR, must not come out supported: neither for
two MLPs nor for two perceptrons, whose errors on XOR scatter widely.
"""

from dlgbench import Ablation, Claim, at_least, difference

XOR = {"data": "xor", "data_args": {}}
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
    twin_of="basics/linear_separability",
    question="Does a classifier beat itself?",
    slide="Nonlinear decision boundaries",
    override={"evaluations": 3},
    arms={
        f"{model}_{twin}": XOR | change | {"random_stream": k}
        for model, change in MODELS.items()
        for k, twin in enumerate("ab")
    },
    claims=[
        Claim(
            f"A/A: the {model}'s twin beats it: XOR",
            difference("test/error", f"{model}_a", f"{model}_b"),
            at_least(0.10),
            kind="twin",
            expect="not supported",
        )
        for model in MODELS
    ],
)
