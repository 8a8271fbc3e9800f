"""Does dilation grow the receptive field exponentially, with equal parameters, at full resolution?

Slide: "Atrous convolution = Dilated Convolution", which quotes Yu & Koltun 2016, Figure 1: "(a) F_1
... has a receptive field of 3x3, (b) F_2 ... 7x7, (c) F_3 ... 15x15. The number of parameters
associated with each layer is identical. The receptive field grows exponentially while the number of
parameters grows linearly."

Protocol. The exact part: nothing is trained. The field is read off the gradient of one output unit,
and the arithmetic r + (k - 1) d j must agree with it.
"""

from dlgbench import Ablation, Claim, Recipe, difference, exactly, interaction, value

FIELD = "receptive_field"
FIGURE = "Yu & Koltun 2016, Figure 1"

ABLATION = Ablation(
    question="Does dilation grow the receptive field exponentially, with equal parameters and "
    "without loss of resolution?",
    slide="Atrous convolution = Dilated Convolution",
    recipe=Recipe(model="conv_stack", steps=0, probes=("receptive_field",)),
    arms={
        "F1": {"model_args.dilations": (1,)},
        "F2": {"model_args.dilations": (1, 2)},
        "F3": {"model_args.dilations": (1, 2, 4)},
        "F4": {"model_args.dilations": (1, 2, 4, 8)},
        "F5": {"model_args.dilations": (1, 2, 4, 8, 16)},
        "plain_3": {"model_args.dilations": (1, 1, 1)},
        "pooled_3": {"model_args.dilations": (1, 1, 1), "model_args.pool": True},
    },
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        Claim("F1 sees 3x3", value(FIELD, "F1"), exactly(3), published="3x3", source=FIGURE),
        Claim("F2 sees 7x7", value(FIELD, "F2"), exactly(7), published="7x7", source=FIGURE),
        Claim("F3 sees 15x15", value(FIELD, "F3"), exactly(15), published="15x15", source=FIGURE),
        Claim("F5 sees 63x63: 2^(i + 1) - 1 goes on", value(FIELD, "F5"), exactly(63)),
        Claim(
            "Arithmetic agrees with the gradient", value(f"{FIELD}/arithmetic", "F5"), exactly(63)
        ),
        Claim(
            "Each further layer costs the same parameters",
            interaction("parameters", ("F4", "F3"), ("F3", "F2")),
            exactly(0),
            source=FIGURE,
        ),
        Claim(
            "Three plain layers cost the same",
            difference("parameters", "F3", "plain_3"),
            exactly(0),
            source=FIGURE,
        ),
        Claim(
            "Dilation keeps full resolution",
            value(f"{FIELD}/stride", "F3"),
            exactly(1),
            source=FIGURE,
        ),
        Claim(
            "Pooling buys its field with resolution",
            value(f"{FIELD}/stride", "pooled_3"),
            exactly(4),
        ),
        Claim(
            "Control: three plain layers see 15x15 too",
            value(FIELD, "plain_3"),
            exactly(15),
            expect="not supported",
        ),
    ],
    objection="Pixels at the rim are reached by a single path, so the effective field is narrower "
    "(Luo 2016); and a wide field is not yet a used one.",
)
