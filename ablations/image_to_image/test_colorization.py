"""Does the colorization network find colours better than the mean chroma?

Slide: "Code example: Colorization Network". Mitra et al. 2018, the course's notebook; after Iizuka
et al. 2016, SIGGRAPH.

Protocol. The notebook's network gets the lightness L of a patch and gives (a, b) of each pixel of
CIELAB. The baseline is an arm of its own, which learns one (a, b) for all pixels by the same steps,
rates and data: the mean chroma of the training split. cpu: a quarter of the width, patches of 32x32
from photographs; those of the test split come from two other photographs, so that a colour that was
learnt by heart does not help. paper: CIFAR-10, whose test split is of the same kind as its
training's, for 20,000 steps; gpu: half of them (16 epochs). Six rates for each arm, chosen by the
validation error, ten seeds.

Smallest effect, fixed beforehand: 5 % of the mean chroma's squared error.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

FIVE_PERCENT = at_least(-math.log(0.95))
NOTEBOOK = "Mitra et al. 2018, notebook colorization"

ABLATION = Ablation(
    question="Does the colorization network find colours better than the mean chroma?",
    slide="Colorization Network",
    recipe=Recipe(
        model="colorization",
        data="cifar10_ab",
        data_args={"standardize": False},
        task="image_to_image",
        optimizer="adam",
        schedule="one_cycle",
        batch_size=64,
        steps=20_000,
        probes=("outputs",),
    ),
    arms={"mean_chroma": {"model": "constant", "model_args": {}}, "network": {}},
    tune={"lr": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)},
    select="val/mse",
    scales={
        "cpu": {
            "data": "photographs_ab",
            "data_args": {"train": 1500, "val": 500, "standardize": False},
            "model_args": {"width": 0.25},
            "batch_size": 16,
            "steps": 200,
            "evaluations": 5,
            "tuning_seeds": 1,
        },
        "gpu": {"steps": 10_000, "seeds": 5, "tuning_seeds": 1},
        "paper": {"seeds": 5, "tuning_seeds": 1},
    },
    claims=[
        Claim(
            "The network's error is at least 5 % below the mean chroma's, on the training split",
            log_ratio("train/mse", "mean_chroma", "network"),
            FIVE_PERCENT,
            published="training loss 48.0",
            source=NOTEBOOK,
        ),
        Claim(
            "The same on the test split",
            log_ratio("test/mse", "mean_chroma", "network"),
            FIVE_PERCENT,
            expect="inconclusive",
            published="test loss 184.8",
            source=NOTEBOOK,
            objection="Two photographs are a small sample of the world; the squared error rewards "
            "dull colours (Zhang 2016). The validation split is of the training's photographs: "
            "what is learnt of their colours helps there, and not here.",
        ),
    ],
)
