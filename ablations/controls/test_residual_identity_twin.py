"""A/A twin of residual identity: does a plain stack have ten times the error of a plain stack?

Two arms that differ in name only: the same depth, recipe and data split, fresh weights and order.
(Two layers, where a training costs least, and one rate, the same for both.) The main claim
of `architectures/residual_identity` must not come out supported.
"""

import math

from dlgbench import Ablation, Claim, at_least, log_ratio

ABLATION = Ablation(
    twin_of="architectures/residual_identity",
    question="Does a plain stack have ten times the error of a plain stack?",
    override={"model_args.skip": False, "model_args.blocks": 1, "lr": 0.01},
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}},
    tune={},
    claims=[
        Claim(
            "A/A: a plain stack learns the identity with ten times its twin's error",
            log_ratio("test/mse", "twin_a", "twin_b"),
            at_least(math.log(10)),
            kind="twin",
            expect="not supported",
        ),
    ],
)
