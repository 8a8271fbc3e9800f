"""Sabotage of pooling: does the claim notice that the pooling layer is the identity?

With windows of 1 the maximum and the first pixel of a window are the pixel itself: the pooling
layer of both arms is the identity. They must train alike to the bit, and the main claim of
`convolution/pooling` must not come out supported. One rate for both, .01. Six seeds: where all of
five agree the sign test decides nothing, so that the claim could not come out supported either.
(Declared after five had come out so: all equal, and undecided.)
"""

from dlgbench import Ablation, Claim, at_least, difference, exactly

ABLATION = Ablation(
    twin_of="convolution/pooling",
    question="Does the claim notice that the pooling layer is the identity?",
    override={"model_args.windows": (1, 1), "lr": 0.01},
    arms={"max1": {"model_args.pooling": "max"}, "subsample1": {"model_args.pooling": "subsample"}},
    tune={},
    scales={"cpu": {"lr": 0.01, "steps": 100, "seeds": 6}},
    claims=[
        Claim(
            "Sabotage: max-pooling by 1 keeps 10 points more under shifts by 2 px than every pixel",
            difference("shifts/kept_2", "max1", "subsample1"),
            at_least(0.1),
            expect="not supported",
        ),
        Claim(
            "Pairing: pooling by 1 is the identity, to the bit",
            difference("train/loss", "max1", "subsample1"),
            exactly(0),
            kind="check",
        ),
    ],
)
