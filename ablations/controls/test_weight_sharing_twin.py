"""A/A twin of weight sharing: does a convolution beat a convolution?

Two arms that differ in name only: a convolution stands in the place of the fully connected net,
with the same recipe and data split, fresh weights and order. One rate for both, .005, from the
middle of the grid, saves the control half of its time.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="convolution/weight_sharing",
    question="Does a convolution beat a convolution from 300 digits?",
    override={"model_args": {"kernel": 5}, "data_args.train": 300, "lr": 0.005},
    arms={"shared_300": {}, "shared_again_300": {"random_stream": 1}},
    tune={},
    scales={"cpu": {"lr": 0.005}},
    claims=[
        Claim(
            "A/A: convolution lowers the error from 300 centred digits by 1.5 points",
            difference("test/error", "shared_300", "shared_again_300"),
            at_least(0.015),
            kind="twin",
            expect="not supported",
        ),
    ],
)
