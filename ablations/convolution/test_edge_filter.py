"""Does a 3x3 convolution learn Sobel's kernel from photographs and their edges alone?

Slide: "Learning an edge filter", and the lecture's notebook of an edge filter, which learns Sobel's
kernel from one image and its response, to less than 3e-5.

Protocol. One 3x3 convolution with a bias, 400 patches of 16x16 from 14 photographs, not
standardized (they would give the kernel times their standard deviation) but less the pool's mean
(else the problem is too ill-conditioned). Squared error, Adam, minibatches of 32, 500 steps. Arms
of 0, 10, 100 and 500 steps are one training, stopped four times. Error of the output and of the
kernel apart, since a small error of the output need not mean a small one of the kernel: photographs
have little power at high frequencies. Tuning seeds alone chose the rate: at .05 the kernel is off
by .03 to .15 after 500 steps, at .1 by up to .02, at .2 by .001; it is .2.

Smallest effects, fixed beforehand: 1e-2 for the kernel, whose largest weight is 2; 1e-2 for the
output relative to the response, less than a pixel of 8 bits can show of most edges.

Controls. The gradient's magnitude is no linear function of the image, so no kernel gives it.
Constant patches tell one number of nine, the sum of the kernel: the net answers them without error
and the kernel stays what it was otherwise. That needs a net without padding: the padded frame of a
constant patch is an edge, from which Sobel's kernel could be learnt after all.
"""

from dlgbench import Ablation, Claim, Recipe, at_most, value

KERNEL, OUTPUT = "edge_filter/kernel_error", "edge_filter/output_error"

ABLATION = Ablation(
    question="Does a 3x3 convolution learn Sobel's kernel from photographs and their edges alone?",
    slide="Learning an edge filter",
    recipe=Recipe(
        model="conv_stack",
        model_args={"dilations": (1,)},
        data="photographs_sobel",
        data_args={"standardize": False},
        task="image_to_image",
        optimizer="adam",
        lr=0.2,
        batch_size=32,
        steps=500,
        evaluations=10,
        probes=("edge_filter",),
    ),
    arms={
        "steps_0": {"steps": 0},
        "steps_10": {"steps": 10},
        "steps_100": {"steps": 100},
        "steps_500": {},
        "magnitude": {"data": "photographs_sobel_magnitude"},
        "constant": {"data": "constant_sobel", "model_args.padding": False},
    },
    scales={"cpu": {"data_args.train": 400, "data_args.val": 200}, "gpu": {}},
    claims=[
        Claim(
            "The learnt kernel is Sobel's: no weight is off by more than .01",
            value(KERNEL, "steps_500"),
            at_most(1e-2),
            published="below 3e-5, from one image",
            source="Mitra et al. 2018, EG course, the notebook of an edge filter",
            objection="It is linear least squares with nine unknowns, which has a solution in "
            "closed form.",
        ),
        Claim(
            "Its output is Sobel's response within a hundredth, on photographs not seen",
            value(OUTPUT, "steps_500"),
            at_most(1e-2),
        ),
        Claim(
            "Control: the gradient's magnitude teaches the same kernel",
            value(KERNEL, "magnitude"),
            at_most(1e-2),
            kind="control",
            expect="not supported",
        ),
        Claim(
            "Control: one convolution gives the gradient's magnitude",
            value(OUTPUT, "magnitude"),
            at_most(1e-2),
            kind="control",
            expect="not supported",
        ),
        Claim(
            "Control: constant images teach the kernel",
            value(KERNEL, "constant"),
            at_most(1e-2),
            kind="control",
            expect="not supported",
        ),
        Claim(
            "Constant images are answered right all the same",
            value("test/mse", "constant"),
            at_most(1e-4),
            kind="check",
        ),
    ],
)
