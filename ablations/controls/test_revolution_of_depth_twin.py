"""A/A twin of the revolution of depth: has LeNet a lower test error than LeNet?

Two arms that differ in name only: the same recipe and data split, fresh weights and order. The
claim that a net has a lower test error, by half a point, must not come out supported here. One
rate, the same for both.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="architectures/revolution_of_depth",
    question="Has LeNet a lower test error than LeNet?",
    override={"lr": 0.008},
    arms={
        name: {"model": "lenet5", "model_args.width": 1.0, "random_stream": stream}
        for stream, name in enumerate(("twin_a", "twin_b"))
    },
    tune={},
    claims=[
        Claim(
            "A/A: the twin of a LeNet has a lower test error",
            difference("test/error", "twin_a", "twin_b"),
            at_least(0.005),
            kind="twin",
            expect="not supported",
        ),
    ],
)
