"""Sabotage of residual identity: does the claim notice that the shortcuts were multiplied by 0?

The arm `cut` asks for a residual stack whose shortcuts are multiplied by 0 (nothing is initially
zero in it, or nothing would pass). For every seed it must train as the plain stack does, to the
bit, and the main claim of `architectures/residual_identity` must not come out supported. The recipe
is the same but for one constant rate and the first 50 steps alone: stacks that are equal after each
of them stay equal. Six seeds: where all of five agree the sign test decides nothing, so that the
claim could not come out supported either.
(Declared after five had come out so: all equal, and undecided.)
"""

import math

from dlgbench import Ablation, Claim, at_least, difference, exactly, log_ratio

ABLATION = Ablation(
    twin_of="architectures/residual_identity",
    question="Does the claim notice that the shortcuts were multiplied by 0?",
    override={"model_args.blocks": 8, "schedule": "constant", "lr": 0.002, "steps": 1000},
    arms={
        "plain": {"model_args.skip": False},
        "cut": {"model_args.shortcut_scale": 0.0},
    },
    tune={},
    scales={"cpu": {"steps": 50, "evaluations": 1, "seeds": 6}},
    claims=[
        Claim(
            "Sabotage: a plain stack learns the identity with ten times the error of one whose "
            "shortcuts are cut",
            log_ratio("test/mse", "plain", "cut"),
            at_least(math.log(10)),
            expect="not supported",
        ),
        Claim(
            "Pairing: shortcuts times 0 are no shortcuts, to the bit",
            difference("train/loss", "plain", "cut"),
            exactly(0),
            kind="check",
        ),
    ],
)
