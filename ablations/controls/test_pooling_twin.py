"""A/A twin of pooling: is max-pooling more robust than max-pooling?

Two arms that differ in name only: the maximum stands in the place of every fifth pixel, with the
same recipe and data split, fresh weights and order. One rate for both, .01, saves the control half
of its time.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="convolution/pooling",
    question="Is max-pooling more robust than max-pooling?",
    override={"model_args.windows": (1, 5), "lr": 0.01},
    arms={"max5": {}, "max5_again": {"random_stream": 1}},
    tune={},
    scales={"cpu": {"lr": 0.01}},
    claims=[
        Claim(
            "A/A: max-pooling by 5 keeps 10 points more under shifts by 2 px",
            difference("shifts/kept_2", "max5", "max5_again"),
            at_least(0.1),
            kind="twin",
            expect="not supported",
        ),
    ],
)
