"""Does a larger code give a better digit back, and any code more than the mean digit?

Slide: "Encoder-decoder": "Turns image into vector. This vector is a very compact and abstract
'code'. Turns code back into image". Hinton & Salakhutdinov 2006, who do so with MNIST.

Protocol. `image_to_image/encoder_decoder` on a second data set: digits of 28x28 are reconstructed
through a vector of 2, 8 or 32 units. Its first evaluation, on photographs, prompted this one: with
one tuning seed and rates that lie twofold apart, 8 units got the rate .02, at which two of ten
seeds learnt nearly nothing, and the claims on the size came out inconclusive. Here three tuning
seeds choose.

Smallest effects, fixed before any run and the same as there: four times the units lower the squared
error by 1 dB, and two units are 1 dB better than the mean image of the test digits.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, log_ratio, value

DECIBEL = math.log(10) / 10

ABLATION = Ablation(
    question="Does a larger code give a better digit back, and any code more than the mean digit?",
    slide="Encoder-decoder",
    recipe=Recipe(
        model="encoder_decoder",
        model_args={"width": 0.25},
        data="mnist5k_identity",
        task="image_to_image",
        optimizer="adam",
        schedule="one_cycle",
        batch_size=32,
        steps=5000,
        probes=("images",),
    ),
    arms={f"code_{code}": {"model_args.code": code} for code in (2, 8, 32)},
    tune={"lr": (0.002, 0.003, 0.005, 0.007, 0.01, 0.015)},
    select="val/mse",
    scales={
        "cpu": {
            "data_args": {"train": 2500, "val": 500},
            "steps": 500,
            "evaluations": 2,
            "tuning_seeds": 3,
        },
        "gpu": {},
    },
    claims=[
        *(
            Claim(
                f"{more} units give a better digit than {less}",
                log_ratio("test/mse", f"code_{less}", f"code_{more}"),
                at_least(DECIBEL),
            )
            for less, more in ((2, 8), (8, 32))
        ),
        Claim(
            "Two units give more than the mean digit",
            value("images/over_mean", "code_2"),
            at_most(math.exp(-DECIBEL)),
        ),
    ],
    objection="Principal components are a linear code of the same size, and hard to beat.",
)
