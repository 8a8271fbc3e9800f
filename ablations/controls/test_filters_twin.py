"""A/A twin and control of the filters: do they become smoother without training, or without labels?

A/A: two untrained nets that differ in the random stream of their weights alone. Control: a training
on labels that are all drawn anew, at one rate; only the images could have smoothed its filters. The
claim of `convolution/filters` must not come out supported in either.
"""

from dlgbench import Ablation, Claim, at_least, difference

ROUGHNESS = "filters/roughness"

ABLATION = Ablation(
    twin_of="convolution/filters",
    question="Do filters become smoother without training, or in a training without labels?",
    override={"lr": 0.03},
    arms={
        "untrained": {"steps": 0},
        "again": {"steps": 0, "random_stream": 1},
        "random_labels": {"data_args.label_noise": 1.0},
    },
    tune={},
    claims=[
        Claim(
            "A/A: other initial weights lower the roughness of the filters by .5",
            difference(ROUGHNESS, "untrained", "again"),
            at_least(0.5),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "Control: training on random labels lowers the roughness of the filters by .5",
            difference(ROUGHNESS, "untrained", "random_labels"),
            at_least(0.5),
            kind="control",
            expect="not supported",
        ),
    ],
)
