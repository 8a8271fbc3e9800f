"""Does dilation help where the cue lies farther away than plain layers see?

Slide: "Atrous convolution = Dilated Convolution". Yu & Koltun 2016, ICLR. `image_to_image/dilation`
shows that the field is wider at equal parameters; here it has to be used.

Protocol. Canvases of 18x36 with two digits of 14x14. Each foreground pixel is to be given its
digit's class, which lies in the digit's shape: three plain 3x3 layers see 7x7 of it, dilations 1,
2, 4 see 15x15. (The trap: objects must be wider than the plain field.) Equal parameters, 16
channels, Adam, 250 steps on minibatches of 16 canvases, six rates for each arm. Six seeds at cpu:
ten had shown an effect of 37 points [33, 40]. The arm `plain` is the control: dilation 1 in all
layers. The effective field and the first two predictions of the test split are measured in order to
be drawn; no claim is made about them.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, exactly

ABLATION = Ablation(
    question="Does dilation help where the cue lies farther away than plain layers see?",
    slide="Atrous convolution = Dilated Convolution",
    recipe=Recipe(
        model="conv_stack",
        model_args={"channels": 16},
        data="dense_cue_fashion",
        task="segmentation",
        optimizer="adam",
        batch_size=16,
        steps=5000,
        probes=("effective_field", "predictions"),
    ),
    arms={
        "plain": {"model_args.dilations": (1, 1, 1)},
        "dilated": {"model_args.dilations": (1, 2, 4)},
    },
    tune={"lr": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)},
    scales={
        "cpu": {
            "data": "dense_cue",
            "data_args": {"train": 1000, "val": 300},
            "steps": 250,
            "evaluations": 4,
            "seeds": 6,
            "tuning_seeds": 1,
        },
        "gpu": {},
    },
    claims=[
        Claim(
            "Dilation lowers the error per pixel",
            difference("test/error", "plain", "dilated"),
            at_least(0.1),
            objection="Deeper or pooled nets see as far; dilation saves parameters against the one "
            "and resolution against the other.",
        ),
        Claim(
            "Both have as many parameters",
            difference("parameters", "dilated", "plain"),
            exactly(0),
            source="Yu & Koltun 2016, Figure 1",
        ),
    ],
)
