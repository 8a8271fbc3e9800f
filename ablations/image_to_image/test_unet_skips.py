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
Pilots elsewhere: with two poolings, instead of three, there was no effect.

Changed after a first evaluation, of 150 steps and rates up to .8: nets with skips were not yet
better than their noisy input, and of the rates .4 was the best on the tuning seed but broke one of
ten evaluations (3.5 dB for denoising, inconclusive; 4.7 for the identity; ln 1.03 and 1.19 for the
details, inconclusive). Now there are 300 steps, and no rate above .2; thresholds are as they were.

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
    tune={"lr": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)},
    select="val/psnr",
    scales={
        "cpu": {
            "data_args": {"train": 1000, "val": 200, "standardize": False},
            "model_args.width": 1 / 16,
            "batch_size": 8,
            "steps": 300,
            "evaluations": 3,
            "tuning_seeds": 1,
        },
        "gpu": {},
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
