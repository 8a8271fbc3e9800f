"""Control of dilation: does it still help where the cue lies within 1 pixel?

Digits filled with one of four textures of period 2; the class is the texture, and any 2x2 of its pixels tell it. Three plain layers see all of that, so the
main claim of `image_to_image/dilation_task` must not come out supported. Its recipe, but for one rate, equal for both arms: .005, in the middle of
its grid, which saves the control half of its time.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Does dilation still help where the cue lies within 1 pixel?",
    slide="Atrous convolution = Dilated Convolution",
    recipe=Recipe(model="conv_stack", model_args={"channels": 16}, data="dense_cue_near", task="segmentation", optimizer="adam", lr=0.005,
                  data_args={"train": 1000, "val": 300}, batch_size=16, steps=5000, probes=("effective_field", "predictions")),
    arms={"plain": {"model_args.dilations": (1, 1, 1)}, "dilated": {"model_args.dilations": (1, 2, 4)}},
    scales={"cpu": {"steps": 250, "evaluations": 4, "seeds": 5}, "gpu": {}},
    claims=[
        Claim("Near: dilation lowers the error per pixel", difference("test/error", "plain", "dilated"), at_least(0.1), expect="not supported"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
