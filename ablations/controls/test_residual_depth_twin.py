"""A/A twin of residual depth: is a plain net of 20 layers worse than a plain net of 20 layers?

Two arms that differ in name only: the same depth, recipe and data split, fresh weights and order.
The claim of `architectures/residual_depth` that a deeper plain net has the higher training error,
by 5 points, must not come out supported here. (At 20 layers, where a training costs a third, and at
one rate, the same for both.)
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="architectures/residual_depth",
    question="Is a plain net of 20 layers worse than a plain net of 20 layers?",
    slide="Plain network: deeper is not necessarily better",
    override={"model": "plain20", "lr": 0.2},
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}},
    tune={},
    claims=[
        Claim(
            "A/A: the twin of a plain net has the higher training error",
            difference("train/error", "twin_b", "twin_a"),
            at_least(0.05),
            kind="twin",
            expect="not supported",
        ),
    ],
)
