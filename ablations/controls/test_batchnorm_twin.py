"""A/A twin of batch normalization: is it quicker than itself, and does it drift less?

Two normalized ReLU nets that differ in name only: the same recipe and data split, fresh weights and
order. The claims of `normalization/batchnorm_speed` and `normalization/internal_covariate_shift`,
which share their recipe and their form, must not come out supported.
"""

import math

from dlgbench import Ablation, Claim, at_least, log_ratio

BN = {"model_args.norm": "batch", "model_args.activation": "relu", "init": "he"}
MORE = at_least(math.log(1.5))

ABLATION = Ablation(
    twin_of="normalization/batchnorm_speed",
    question="Is batch normalization quicker than itself, and does it drift less?",
    slide="Batch Normalization: used in all current systems; Internal Covariate Shift",
    arms={"twin_a": BN, "twin_b": BN | {"random_stream": 1}},
    scales={"cpu": {"steps": 250}},
    claims=[
        Claim(
            "A/A: the twin reaches the target in 1.5 times fewer samples",
            log_ratio("steps_to_target", "twin_a", "twin_b"),
            MORE,
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "A/A: the twin drifts less",
            log_ratio("drift/mean", "twin_a", "twin_b"),
            MORE,
            kind="twin",
            expect="not supported",
        ),
    ],
)
