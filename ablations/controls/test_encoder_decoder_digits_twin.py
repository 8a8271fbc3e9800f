"""A/A twin of the code's size on digits, and targets that are other digits.

As `controls/encoder_decoder_twin`: two arms have 8 units and differ in name only; a third has
targets that no net can know. One rate for all, as all must be equal; five seeds.
"""

import math

from dlgbench import Ablation, Claim, at_least, at_most, log_ratio, value

DECIBEL = math.log(10) / 10

ABLATION = Ablation(
    twin_of="image_to_image/encoder_decoder_digits",
    question="Does a code of 8 units beat a code of 8 units, or a target that the input ignores?",
    override={"model_args.code": 8},
    arms={
        "code_8": {},
        "also_8": {"random_stream": 1},
        "shuffled": {"data": "mnist5k_shuffled"},
    },
    tune={},
    scales={"cpu": {"lr": 0.005, "seeds": 5}},
    claims=[
        Claim(
            "A/A: 8 units give a better digit than 8",
            log_ratio("test/mse", "code_8", "also_8"),
            at_least(DECIBEL),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "Control: shuffled digits: more than the mean digit",
            value("images/over_mean", "shuffled"),
            at_most(math.exp(-DECIBEL)),
            expect="not supported",
        ),
    ],
)
