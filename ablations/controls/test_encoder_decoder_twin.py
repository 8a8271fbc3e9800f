"""A/A twin of the code's size, and targets that belong to other images.

Two arms have 8 units and differ in name only: the same recipe and data split, fresh weights and
order. The main claim of `image_to_image/encoder_decoder` must not come out supported. A third has
targets that are other patches of its split: no net can know them, so none may beat their mean
image. One rate for all, .01, from the middle of the grid, as all must be equal; five seeds at cpu.

gpu and paper, never run yet, had no rate of their own, and so a recipe's .1, above the whole grid.
"""

import math

from dlgbench import Ablation, Claim, at_least, at_most, log_ratio, value

DECIBEL = math.log(10) / 10

ABLATION = Ablation(
    twin_of="image_to_image/encoder_decoder",
    question="Does a code of 8 units beat a code of 8 units, or a target that the input ignores?",
    override={"model_args.code": 8, "lr": 0.01},
    arms={
        "code_8": {},
        "also_8": {"random_stream": 1},
        "shuffled": {"data": "photographs_shuffled"},
    },
    tune={},
    scales={"cpu": {"seeds": 5}},
    claims=[
        Claim(
            "A/A: 8 units give an image 1 dB better than 8 do",
            log_ratio("test/mse", "code_8", "also_8"),
            at_least(DECIBEL),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "Control: with shuffled targets 8 units give 1 dB more than the mean image",
            value("images/over_mean", "shuffled"),
            at_most(math.exp(-DECIBEL)),
            expect="not supported",
        ),
    ],
)
