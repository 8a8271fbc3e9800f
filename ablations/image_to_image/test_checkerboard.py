"""Does interpolation with a convolution draw less of a checkerboard than transposed convolution?

Slide: "Up-sampling": interpolation, zero insertion, transposed convolutions. Odena, Dumoulin & Olah
2016, "Deconvolution and checkerboard artifacts", Distill.

Protocol. An autoencoder of photographs (32x32, a code of 64) whose three up-samplings are, in all
arms of equal size but the last two: nearest or bilinear interpolation with a 3x3 convolution, zero
insertion with a 3x3 convolution, or a transposed convolution with kernels of 3x3, 4x4 or 2x2 and
stride 2. The measure is the share of the output images' power that repeats every two pixels, before
and after training. All layers are initialized by one rule, since zero insertion and transposed
convolution are one map (`image_to_image/upsampling`). Six rates for each arm, chosen by the
validation error on two tuning seeds, fifteen seeds. (Earlier protocols: one and ten, which left
three claims open that more seeds can decide, then two and twenty, declared before the rerun, which
decided all; fifteen to keep the suite's time in bounds.) paper: full width, 10,000 steps, ten
seeds; gpu: half of the steps (33 epochs).

Smallest effects, fixed beforehand: twofold before training, where pilots saw far more; after it a
quarter (pilots: 1.3 to 1.6 times). Half a dB of PSNR is the most that passes for a tie, and a
quarter of the checkerboard for two ways to write one map.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, difference, log_ratio, within

START, END, PSNR = "checkerboard_start", "checkerboard", "test/psnr"
SOURCE = "Odena 2016"
INTERPOLATED = ("nearest", "bilinear")

ABLATION = Ablation(
    question="Does interpolation with a convolution draw less of a checkerboard than transposed "
    "convolution?",
    slide="Up-sampling",
    recipe=Recipe(
        model="encoder_decoder",
        model_args={"code": 64},
        data="photographs",
        data_args={"standardize": False},
        task="image_to_image",
        optimizer="adam",
        schedule="one_cycle",
        batch_size=16,
        steps=10_000,
        probes=("checkerboard_start", "checkerboard", "outputs"),
    ),
    arms={
        "nearest": {"model_args.upsampling": "nearest"},
        "bilinear": {"model_args.upsampling": "bilinear"},
        "zero_insertion": {"model_args.upsampling": "zero_insertion"},
        "transposed_3": {},
        "transposed_4": {"model_args.kernel": 4},
        "transposed_2": {"model_args.kernel": 2},
    },
    tune={"lr": (0.001, 0.002, 0.005, 0.01, 0.02, 0.04)},
    select="val/mse",
    scales={
        "cpu": {
            "data_args": {"train": 1000, "val": 200, "standardize": False},
            "model_args.width": 0.25,
            "steps": 200,
            "evaluations": 5,
            "seeds": 15,
        },
        "gpu": {"steps": 5000},
        "paper": {},
    },
    claims=[
        *(
            Claim(
                f"Before training, {name} interpolation draws less than transposed convolution",
                log_ratio(START, "transposed_3", name),
                at_least(math.log(2)),
                source=SOURCE,
            )
            for name in INTERPOLATED
        ),
        *(
            Claim(
                f"After training, {name} interpolation draws less than transposed convolution",
                log_ratio(END, "transposed_3", name),
                at_least(math.log(1.25)),
                source=SOURCE,
                objection="Training removes most of it, and the more the longer it lasts.",
            )
            for name in INTERPOLATED
        ),
        Claim(
            "After training, a kernel of 4, which the stride divides, draws less than one of 3",
            log_ratio(END, "transposed_3", "transposed_4"),
            at_least(math.log(1.25)),
            expect="inconclusive",
            source=SOURCE,
            objection="Even windows do not suffice: each pixel of a 2x2 block has weights of its "
            "own.",
        ),
        Claim(
            "Before training, zero insertion draws what transposed convolution draws",
            log_ratio(START, "transposed_3", "zero_insertion"),
            within(math.log(1.25)),
        ),
        Claim(
            "The reconstructions of nearest and transposed are equally good",
            difference(PSNR, "nearest", "transposed_3"),
            within(0.5),
        ),
    ],
)
