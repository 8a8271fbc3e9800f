"""A/A twin of dense connectivity: has a ResNet half the parameters of a ResNet?

Two arms that differ in name only: the small ResNet, with the same recipe and data split, fresh
weights and order. It has the error of its twin, but not with half the parameters, so that claim of
`architectures/dense_connectivity` must not come out supported; nor must the twin be a point better.
"""

import math

from dlgbench import Ablation, Claim, at_least, difference, log_ratio

ABLATION = Ablation(
    twin_of="architectures/dense_connectivity",
    question="Has a ResNet half the parameters of a ResNet, or less error?",
    override={"model_args.width": 0.125},
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}},
    scales={"cpu": {"seeds": 5}},
    claims=[
        Claim(
            "A/A: the twin of a ResNet has at most half its parameters",
            log_ratio("parameters", "twin_a", "twin_b"),
            at_least(math.log(2)),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "A/A: the twin of a ResNet has a point less error",
            difference("test/error", "twin_a", "twin_b"),
            at_least(0.01),
            kind="twin",
            expect="not supported",
        ),
    ],
)
