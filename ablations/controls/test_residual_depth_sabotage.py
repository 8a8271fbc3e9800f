"""Sabotage of residual depth: does the claim notice that the skips were multiplied by 0?

The arms `cut20` and `cut56` ask for a residual net whose shortcuts are multiplied by 0. At each
depth and for every seed it must train as its plain twin does, to the bit; the main claim of
`architectures/residual_depth` must then not come out supported. The recipe is the same but for one
rate (equal and constant for all arms, so that they pair) and the first 60 steps alone: nets that
are equal after each of them stay equal. gpu: 300 steps, paper: 1,000. Six seeds: where all of five
agree the sign test decides nothing, so that the claim could not come out supported either.
(Declared after five had come out so: all equal, and undecided.)
"""

from dlgbench import Ablation, Claim, at_least, difference, exactly, interaction

LOSS, CUT = "train/loss", {"model_args.shortcut_scale": 0.0}

ABLATION = Ablation(
    twin_of="architectures/residual_depth",
    question="Does the claim notice that the skips were multiplied by 0?",
    slide="Residual Network: deeper is better",
    override={"model": "plain20", "schedule": "constant"},
    arms={
        "plain20": {},
        "plain56": {"model": "plain56"},
        "cut20": {"model": "resnet20"} | CUT,
        "cut56": {"model": "resnet56"} | CUT,
    },
    tune={},
    scales={
        "cpu": {"schedule": "constant", "lr": 0.02, "steps": 60, "evaluations": 1, "seeds": 6},
        "gpu": {"schedule": "constant", "steps": 300, "seeds": 6},
        "paper": {"steps": 1000, "seeds": 6},
    },
    claims=[
        Claim(
            "Sabotage: from 20 to 56 layers a plain net loses training error that a residual net "
            "with its skips cut does not",
            interaction("train/error", ("plain56", "plain20"), ("cut56", "cut20")),
            at_least(0.04),
            expect="not supported",
        ),
        Claim(
            "Pairing: at 20 layers skips times 0 are no skips, to the bit",
            difference(LOSS, "plain20", "cut20"),
            exactly(0),
            kind="check",
        ),
        Claim(
            "Pairing: at 56 layers skips times 0 are no skips, to the bit",
            difference(LOSS, "plain56", "cut56"),
            exactly(0),
            kind="check",
        ),
    ],
)
