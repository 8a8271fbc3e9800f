"""Does a larger code give a better image back, and any code more than the mean image?

Slide: "Encoder-decoder": "Turns image into vector. This vector is a very compact and abstract
'code'. Turns code back into image". Hinton & Salakhutdinov 2006.

Protocol. Patches of photographs, 32x32, are reconstructed through a vector of 2, 8 or 32 units; the
test patches come from other photographs than the training's. Digits, 28x28, likewise. A quarter
of the maps, Adam with a cosine schedule, 250 steps on minibatches of 32, six rates for each arm,
chosen on three tuning seeds; ten seeds. Fixed before any evaluation: four times the units have to
lower the squared error by 1 dB, and two units have to be 1 dB better than the mean of the test
images, the best answer that ignores the input.

Earlier protocol: photographs alone, and one tuning seed. It gave 8 units the rate 0.02, at which
two of ten seeds learnt nearly nothing. Hence wide intervals, and no verdict on the size. Three
tuning seeds, and the digits with the thresholds of the photographs, were declared before the rerun.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, log_ratio, value

DECIBEL = math.log(10) / 10
IMAGES: dict[str, dict] = {"code": {}, "digits": {"data": "mnist5k_identity"}}
OF = {"code": "", "digits": ", of digits"}

ABLATION = Ablation(
    question="Does a larger code give a better image back, and any code more than the mean image?",
    slide="Encoder-decoder",
    recipe=Recipe(
        model="encoder_decoder",
        model_args={"width": 0.25},
        data="photographs",
        task="image_to_image",
        optimizer="adam",
        schedule="cosine",
        batch_size=32,
        steps=5000,
        probes=("images",),
    ),
    arms={
        f"{name}_{code}": images | {"model_args.code": code}
        for name, images in IMAGES.items()
        for code in (2, 8, 32)
    },
    tune={"lr": (0.002, 0.005, 0.01, 0.02, 0.04, 0.08)},
    select="val/mse",
    scales={
        "cpu": {
            "data_args": {"train": 1500, "val": 300},
            "steps": 250,
            "evaluations": 2,
            "tuning_seeds": 3,
        },
        "gpu": {},
    },
    claims=[
        *(
            Claim(
                f"{more} units give an image 1 dB better than {less} do{of}",
                log_ratio("test/mse", f"{name}_{less}", f"{name}_{more}"),
                at_least(DECIBEL),
            )
            for name, of in OF.items()
            for less, more in ((2, 8), (8, 32))
        ),
        *(
            Claim(
                f"Two units give 1 dB more than the mean image{of}",
                value("images/over_mean", f"{name}_2"),
                at_most(math.exp(-DECIBEL)),
            )
            for name, of in OF.items()
        ),
    ],
    objection="Principal components are a linear code of the same size, and hard to beat.",
)
