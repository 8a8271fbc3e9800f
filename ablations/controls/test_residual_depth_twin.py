"""A/A twin of residual depth: is a plain net of 20 layers worse than a plain net of 20 layers?

Two arms that differ in name only: the same depth, recipe and data split, fresh weights and order. The claim of `architectures/residual_depth` that a
deeper plain net has the higher training error, by 5 points, must not come out supported here. (At 20 layers, where a training costs a quarter.)
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Is a plain net of 20 layers worse than a plain net of 20 layers?",
    slide="Plain network: deeper is not necessarily better",
    recipe=Recipe(model="plain20", data="cifar10", data_args={"val": 5000, "augment": "crop_flip"}, optimizer="momentum", weight_decay=1e-4,
                  schedule="step", batch_size=128, steps=64_000),
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}},
    tune={"lr": (0.003, 0.01, 0.02, 0.05, 0.1, 0.2)},
    scales={
        "cpu": {"data": "mnist5k", "data_args": {"train": 1000, "val": 1000, "shrink": 4}, "model_args.width": 0.5, "schedule": "linear",
                "batch_size": 32, "steps": 250, "evaluations": 5, "seeds": 5, "tuning_seeds": 1},
        "gpu": {"seeds": 5, "tuning_seeds": 1},
    },
    claims=[
        Claim("A/A: the twin of a plain net has the higher training error", difference("train/error", "twin_b", "twin_a"), at_least(0.05),
              expect="not supported"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
