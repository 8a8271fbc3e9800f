"""Sabotage: do the claims notice that batch normalization was replaced by the identity?

The arm `identity` asks for batch normalization and gets nn.Identity in its place. It then pairs
with `none` to the bit: the ratios of steps and of drift must be exactly 1 (log ratio 0) for every
seed, and the claims of `normalization/batchnorm_speed` and `normalization/internal_covariate_shift`
must not come out supported. The nets are ReLU nets: they all reach the target, and an exact ratio
needs runs none of which is censored.
"""

import math

from dlgbench import Ablation, Claim, at_least, exactly, log_ratio

STEPS = log_ratio("steps_to_target", "none", "identity")
DRIFT = log_ratio("drift/mean", "none", "identity")
MORE, EQUAL = at_least(math.log(1.5)), exactly(0)

ABLATION = Ablation(
    twin_of="normalization/batchnorm_speed",
    question="Do the claims on speed and drift notice that batch normalization was replaced by the "
    "identity?",
    slide="Batch Normalization: used in all current systems; Internal Covariate Shift",
    override={"model_args.activation": "relu"},
    arms={
        "none": {},
        "identity": {"model_args.norm": "batch", "identity": ("BatchNorm1d",)},
    },
    scales={"cpu": {"steps": 250}},
    claims=[
        Claim(
            "Sabotage: with the identity in its place the target is reached in 1.5 times fewer "
            "samples",
            STEPS,
            MORE,
            expect="not supported",
        ),
        Claim(
            "Sabotage: with the identity in its place the drift is lower",
            DRIFT,
            MORE,
            expect="not supported",
        ),
        Claim("Pairing: the ratio of steps is 1, to the bit", STEPS, EQUAL, kind="check"),
        Claim("Pairing: the ratio of drift is 1, to the bit", DRIFT, EQUAL, kind="check"),
    ],
)
