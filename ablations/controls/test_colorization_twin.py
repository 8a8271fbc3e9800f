"""A/A twin of colorization: does the network beat itself?

Two arms that differ in name only, with fresh weights and order. The claims of
`image_to_image/colorization` must not come out supported.
"""

import math

from dlgbench import Ablation, Claim, at_least, log_ratio

ABLATION = Ablation(
    twin_of="image_to_image/colorization",
    question="Does the colorization network beat itself?",
    arms={"network": {}, "again": {"random_stream": 1}},
    scales={"cpu": {"seeds": 5}},
    claims=[
        Claim(
            f"A/A: the other network's error is 5 % lower on the {split} split",
            log_ratio(f"{split}/mse", "network", "again"),
            at_least(-math.log(0.95)),
            kind="twin",
            expect="not supported",
        )
        for split in ("train", "test")
    ],
)
