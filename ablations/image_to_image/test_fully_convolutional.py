"""Is one fully convolutional pass the sliding window, at fewer operations and a low resolution?

Slides: "Fully Convolutional Neural Networks", "... in Practice": "32-fold decimation 224x224 to
7x7", "Fast (shared convolutions), simple (dense), low resolution". Long, Shelhamer & Darrell 2015.

Protocol. `valid` is a classifier without padding, `padded` one whose convolutions pad by a pixel of
zeros. Both are trained on digits for 150 steps, so that their scores mean something; no claim is
made about their accuracy. The linear layers become convolutions of the same weights. On a canvas of
3 x 3 test digits one pass of them is compared with the classifier on each window, in float64. Fast
is a count of operations here, which does not depend on a machine; seconds are in
`fully_convolutional_speed`. The resolution is read off VGG-16 (its stride) and off FCN-32s, whose
coarsest map on 224x224 has 7 x 7 positions; with a sixteenth of their maps, which changes neither.
Five seeds, for the weights. `padded` is the control: zeros around each window are not the pixels
around it.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, exactly, value

EQUAL = at_most(1e-12)  # of the largest score, in float64
PAPER = "Long, Shelhamer & Darrell 2015, section 3.1"
RESOLUTION = {"data": None, "steps": 0}

ABLATION = Ablation(
    question="Is one fully convolutional pass the sliding window, at fewer operations and a low "
    "resolution?",
    slide="Fully Convolutional Neural Networks in Practice",
    recipe=Recipe(
        model="sliding_convnet",
        model_args={"width": 0.25},
        data="mnist5k",
        optimizer="adam",
        lr=0.003,
        batch_size=32,
        steps=150,
        evaluations=1,
        probes=("sliding",),
    ),
    arms={
        "valid": {},
        "padded": {"model": "lecture_convnet", "model_args.width": 1.0},
        "vgg16": RESOLUTION
        | {"model": "vgg16", "model_args.width": 1 / 16, "probes": ("receptive_field",)},
        "fcn32s": RESOLUTION
        | {
            "model": "fcn32s",
            "model_args": {"width": 1 / 16, "input_shape": (3, 224, 224)},
            "probes": ("code",),
        },
    },
    scales={"cpu": {"seeds": 5}, "gpu": {"seeds": 5}},
    claims=[
        Claim(
            "Linear layers as convolutions give the classifier's scores",
            value("sliding/conversion", "valid"),
            EQUAL,
            source=PAPER,
        ),
        Claim(
            "A dense pass without padding is the sliding window",
            value("sliding/error", "valid"),
            EQUAL,
            source=PAPER,
        ),
        Claim(
            "It needs a third of the operations at most",
            value("sliding/flops", "valid"),
            at_least(3),
            published="more than 5 times faster",
            source=PAPER,
        ),
        Claim(
            "Neighbouring outputs lie 4 pixels apart", value("sliding/stride", "valid"), exactly(4)
        ),
        Claim(
            "VGG-16 decimates 32-fold",
            value("receptive_field/stride", "vgg16"),
            exactly(32),
            published="224x224 to 7x7",
            source="the slide",
        ),
        Claim(
            "FCN-32s sees 224x224 as 7x7",
            value("code/positions", "fcn32s"),
            exactly(49),
            published="224x224 to 7x7",
            source="the slide",
        ),
        Claim(
            "With padding the linear layers convert as well",
            value("sliding/conversion", "padded"),
            EQUAL,
        ),
        Claim(
            "Control: a dense pass with zero padding is the sliding window",
            value("sliding/error", "padded"),
            EQUAL,
            expect="not supported",
        ),
    ],
    objection="Nearly all nets pad, so their dense maps are near the sliding window's, not equal.",
)
