"""A/A twin of the effective field: do other initial weights widen it?

Two arms of untrained nets that differ in the random stream of their weights alone. The claim that
training widens the effective field must not come out supported.
"""

import math

from dlgbench import Ablation, Claim, at_least, log_ratio

ABLATION = Ablation(
    twin_of="convolution/effective_field",
    question="Do other initial weights widen the effective field?",
    override={"steps": 0},
    arms={"untrained": {"steps": 0}, "trained_for_0_steps": {"steps": 0, "random_stream": 1}},
    claims=[
        Claim(
            "A/A: training for no step widens the effective field by a tenth",
            log_ratio("effective_field", "trained_for_0_steps", "untrained"),
            at_least(math.log(1.1)),
            kind="twin",
            expect="not supported",
        ),
    ],
)
