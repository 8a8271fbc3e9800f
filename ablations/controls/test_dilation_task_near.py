"""Control of dilation: does it still help where the cue lies within 1 pixel?

Digits are filled with one of four textures of period 2; the class is the texture, and any 2x2 of
its pixels tell it. Three plain layers see all of that, so the main claim of
`image_to_image/dilation_task` must not come out supported. The recipe is the same but for the rate:
one for both arms, .005, from the middle of the grid there, which saves the control half of its
time.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="image_to_image/dilation_task",
    question="Does dilation still help where the cue lies within 1 pixel?",
    override={"data_args": {"train": 1000, "val": 300}, "data": "dense_cue_near", "lr": 0.005},
    arms={
        "plain": {"model_args.dilations": (1, 1, 1)},
        "dilated": {"model_args.dilations": (1, 2, 4)},
    },
    tune={},
    scales={"cpu": {"data": "dense_cue_near", "seeds": 5}},
    claims=[
        Claim(
            "Near: dilation lowers the error per pixel",
            difference("test/error", "plain", "dilated"),
            at_least(0.1),
            expect="not supported",
        ),
    ],
)
