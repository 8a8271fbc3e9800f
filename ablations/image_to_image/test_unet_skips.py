"""Do a U-Net's skips preserve the details of an image, at equal parameters?

Slides: "Encoder-decoder + Skip connections", "Encoder-decoder with skip connections": "At every
step of increasing the resolution, check back with the input to preserve details". Ronneberger,
Fischer & Brox 2015, MICCAI.

Protocol. U-Nets with three poolings on patches of 32x32; without skips the up-sampled map stands
twice where the encoder's would be, so that all shapes and parameters stay. Two tasks: to take
noise of SD .05 away (its PSNR is 26.0 dB), and to give the image back. Test patches come from other
photographs than the training's. Six rates for each arm, ten seeds.

Chosen on tuning seeds and the validation split alone: batch normalization, since 4 maps without it
die (12.7 dB, a constant) at most rates; a 1-cycle schedule; the last layer as torch initializes it.
Pilots elsewhere: with two poolings, instead of three, there was no effect. cpu: 300 steps. paper:
the full width for 5,000 steps. gpu: 2,000 steps (13 epochs), tuned on one seed, since two controls
cost as much again.

Changed after a first evaluation, whose rates went up to .8: of them .4 was the best for denoising
with skips on the one tuning seed, and broke one of ten evaluations (3.5 dB, inconclusive; the error
in the detail fell 1.03-fold). Now no rate is above .2. The other arms had chosen .1. A second
evaluation had 150 steps, in which a net with skips comes to about its noisy input's PSNR; on tuning
seeds 300 add 1 to 2 dB and more detail, and were declared before the third. Thresholds stayed.

Constant images, as a control without any detail, were tried on tuning seeds and left out: there,
too, skips gained about 3 dB in 150 steps (-3 to 7 by seed) and 2 dB in 400 (0 to 3), since they
shorten the way to the answer. So a part of the gain in PSNR is that of a net that is easier to
train; the claims on the error in the fine detail are about the rest.

Smallest effects, fixed beforehand: 1 dB of PSNR; and 1 dB (a factor of 1.26) of the error's power
above half the Nyquist frequency, where the details are.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, difference, exactly, log_ratio

PSNR, HIGH = "test/psnr", "high_frequency/error"
DECIBEL = math.log(10) / 10  # of power, as a natural logarithm
PAPER = "Ronneberger 2015, Figure 1"

ABLATION = Ablation(
    question="Do a U-Net's skips preserve the details of an image, at equal parameters?",
    slide="Encoder-decoder + Skip connections; Encoder-decoder with skip connections",
    recipe=Recipe(
        model="unet",
        model_args={"levels": 3, "norm": "batch"},
        data="photographs_noisy",
        data_args={"standardize": False},
        task="image_to_image",
        init="default",
        optimizer="adam",
        schedule="one_cycle",
        batch_size=16,
        steps=5000,
        probes=("high_frequency", "outputs"),
    ),
    arms={
        "denoise_skips": {},
        "denoise_without": {"model_args.skips": False},
        "identity_skips": {"data": "photographs"},
        "identity_without": {"data": "photographs", "model_args.skips": False},
    },
    tune={"lr": (0.002, 0.005, 0.02, 0.05, 0.1, 0.2)},
    select="val/psnr",
    scales={
        "cpu": {
            "data_args": {"train": 1000, "val": 200, "standardize": False},
            "model_args.width": 1 / 16,
            "batch_size": 8,
            "steps": 300,
            "evaluations": 5,
            "tuning_seeds": 1,
        },
        "gpu": {"steps": 2000, "tuning_seeds": 1},
        "paper": {},
    },
    claims=[
        Claim(
            "Skips raise the PSNR of a denoised image",
            difference(PSNR, "denoise_skips", "denoise_without"),
            at_least(1),
        ),
        Claim(
            "Skips raise the PSNR of an image that is given back",
            difference(PSNR, "identity_skips", "identity_without"),
            at_least(1),
        ),
        Claim(
            "Skips lower the error in the fine detail of a denoised image",
            log_ratio(HIGH, "denoise_without", "denoise_skips"),
            at_least(DECIBEL),
        ),
        Claim(
            "Skips lower the error in the fine detail of an image that is given back",
            log_ratio(HIGH, "identity_without", "identity_skips"),
            at_least(DECIBEL),
        ),
        Claim(
            "Both have as many parameters",
            difference("parameters", "denoise_skips", "denoise_without"),
            exactly(0),
            source=PAPER,
        ),
    ],
    objection="What skips mend is the pooling: a stack of convolutions at full resolution keeps "
    "details without them. The longer the training, the more of them gets through the bottleneck.",
)
