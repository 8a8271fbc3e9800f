"""A/A twin and sabotage of dilation: does dilation by 1 in all layers beat dilation by 1 in all layers?

Two arms that differ in name only: dilations 1, 1, 1 stand in the dilated net's place, with the same recipe and data split, fresh weights and order.
The main claim of `image_to_image/dilation_task` must not come out supported.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Does dilation by 1 in all layers beat dilation by 1 in all layers?",
    slide="Atrous convolution = Dilated Convolution",
    recipe=Recipe(model="conv_stack", model_args={"channels": 16, "dilations": (1, 1, 1)}, data="dense_cue_fashion", task="segmentation", optimizer="adam",
                  batch_size=16, steps=5000, probes=("effective_field", "predictions")),
    arms={"plain": {}, "dilated_by_1": {"random_stream": 1}},
    tune={"lr": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)},
    scales={
        "cpu": {"data": "dense_cue", "data_args": {"train": 1000, "val": 300}, "steps": 250, "evaluations": 4, "seeds": 5, "tuning_seeds": 1},
        "gpu": {},
    },
    claims=[
        Claim("A/A: dilation by 1 lowers the error per pixel", difference("test/error", "plain", "dilated_by_1"), at_least(0.1), expect="not supported"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
