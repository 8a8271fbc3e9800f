"""A/A twin of the checkerboard, and one map under two names.

`again` is a transposed convolution with fresh weights and order; `zero_insertion` is the same map,
written in another way. The main claim of `image_to_image/checkerboard` must not come out supported
for either of them in interpolation's place. cpu: ten seeds, as twenty left both open on either side
of no effect.
"""

import math

from dlgbench import Ablation, Claim, at_least, log_ratio

ABLATION = Ablation(
    twin_of="image_to_image/checkerboard",
    question="Does a transposed convolution draw less of a checkerboard than a transposed "
    "convolution?",
    scales={"cpu": {"seeds": 10}},
    arms={
        "transposed_3": {},
        "again": {"random_stream": 1},
        "zero_insertion": {"model_args.upsampling": "zero_insertion"},
    },
    claims=[
        Claim(
            "A/A: after training, the other transposed convolution draws less",
            log_ratio("checkerboard", "transposed_3", "again"),
            at_least(math.log(1.25)),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "After training, zero insertion draws less than transposed convolution",
            log_ratio("checkerboard", "transposed_3", "zero_insertion"),
            at_least(math.log(1.25)),
            expect="not supported",
        ),
    ],
)
