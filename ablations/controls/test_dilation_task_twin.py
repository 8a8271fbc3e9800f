"""A/A twin and sabotage of dilation: does dilation by 1 beat dilation by 1?

Two arms that differ in name only: dilations 1, 1, 1 stand in the dilated net's place, with the same
recipe and data split, fresh weights and order. The main claim of `image_to_image/dilation_task`
must not come out supported.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="image_to_image/dilation_task",
    question="Does dilation by 1 in all layers beat dilation by 1 in all layers?",
    override={"model_args.dilations": (1, 1, 1)},
    arms={"plain": {}, "dilated_by_1": {"random_stream": 1}},
    scales={"cpu": {"seeds": 5}},
    claims=[
        Claim(
            "A/A: dilation by 1 lowers the error per pixel",
            difference("test/error", "plain", "dilated_by_1"),
            at_least(0.1),
            kind="twin",
            expect="not supported",
        ),
    ],
)
