"""A/A twin of activations_speed: is ReLU quicker than ReLU?

Two arms that differ in name only: the same recipe and data split, fresh weights and order. The main
claim of `depth/activations_speed` must not come out supported. (That two ReLU nets also *end* equal
is the claim of an arm of `depth/activations`.)
"""

import math

from dlgbench import Ablation, Claim, at_least, log_ratio

RELU = {"model_args.activation": "relu", "init": "he"}

ABLATION = Ablation(
    twin_of="depth/activations_speed",
    question="Is ReLU quicker than ReLU?",
    arms={"twin_a": RELU, "twin_b": RELU | {"random_stream": 1}},
    claims=[
        Claim(
            "A/A: ReLU is 1.5 times quicker than its twin",
            log_ratio("steps_to_target", "twin_a", "twin_b"),
            at_least(math.log(1.5)),
            kind="twin",
            expect="not supported",
        ),
    ],
)
