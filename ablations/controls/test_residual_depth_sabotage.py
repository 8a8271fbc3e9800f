"""Sabotage of residual depth: does the claim notice that the skips were multiplied by 0?

The arms `cut` ask for a residual net whose shortcuts are multiplied by 0. It must train as its plain twin to the bit, at each depth and for every seed;
the main claim of `architectures/residual_depth` must then not come out supported. Its recipe, but for one rate (equal for all arms, so that they pair)
and the first 60 steps: nets that are equal after each of them stay so.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, exactly, interaction

LOSS, CUT = "train/loss", {"model_args.shortcut_scale": 0.0}

ABLATION = Ablation(
    question="Does the claim notice that the skips were multiplied by 0?",
    slide="Residual Network: deeper is better",
    recipe=Recipe(model="plain20", data="cifar10", data_args={"val": 5000, "augment": "crop_flip"}, optimizer="momentum", weight_decay=1e-4,
                  batch_size=128, steps=1000),
    arms={
        "plain20": {},
        "plain56": {"model": "plain56"},
        "cut20": {"model": "resnet20"} | CUT,
        "cut56": {"model": "resnet56"} | CUT,
    },
    scales={
        "cpu": {"data": "mnist5k", "data_args": {"train": 1000, "val": 1000, "shrink": 4}, "model_args.width": 0.5, "lr": 0.02,
                "batch_size": 32, "steps": 60, "evaluations": 1, "seeds": 5},
        "gpu": {"seeds": 5},
    },
    claims=[
        Claim("Sabotage: from 20 to 56 layers a plain net loses training error that a residual net with its skips cut does not",
              interaction("train/error", ("plain56", "plain20"), ("cut56", "cut20")), at_least(0.04), expect="not supported"),
        Claim("Pairing: at 20 layers skips times 0 are no skips, to the bit", difference(LOSS, "plain20", "cut20"), exactly(0)),
        Claim("Pairing: at 56 layers skips times 0 are no skips, to the bit", difference(LOSS, "plain56", "cut56"), exactly(0)),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
