"""A/A twin of the sketch's simplification, and drawings that belong to other sketches.

The U-Net twice, `unet` and `again`, which differ in name only: fresh weights and order, the same
splits. Neither may beat the other. `shuffled` has pairs taken apart: its target is the drawing of
another sketch, so that no net can know it, and it may beat neither reference by 1 dB. Five seeds.

Seen in the evaluation: apart, the net's error is .92 of the input's. What it learns is the mean
image, which is nearer to all drawings than an unrelated sketch, by a x + b, can be.
"""

import math

from dlgbench import Ablation, Claim, at_least, at_most, log_ratio, value

DECIBEL = math.log(10) / 10

ABLATION = Ablation(
    twin_of="image_to_image/sketch_simplification",
    question="Does the net beat itself, or clean a sketch into the drawing of another?",
    override={
        "model": "unet",
        "model_args": {"levels": 2, "norm": "batch"},
        "init": "default",
        "lr": 0.1,
    },
    arms={
        "unet": {},
        "again": {"random_stream": 1},
        "shuffled": {"data": "strokes_shuffled"},
    },
    scales={"cpu": {"seeds": 5}},
    claims=[
        Claim(
            "A/A: the other net's drawing is 1 dB nearer to the clean one",
            log_ratio("test/mse", "unet", "again"),
            at_least(DECIBEL),
            kind="twin",
            expect="not supported",
        ),
        *(
            Claim(
                f"Control: pairs taken apart: 1 dB nearer than {name}",
                value(f"images/{metric}", "shuffled"),
                at_most(math.exp(-DECIBEL)),
                expect="not supported",
            )
            for name, metric in (("the sketch", "over_input"), ("the mean image", "over_mean"))
        ),
    ],
)
