"""Does weight decay keep a polynomial from over-fitting?

Slides: "Reminder: Overfitting, in images", "Regularization in SGD: Weight Decay". With the slide's
penalty the gradient gains 2 lambda W, so torch's weight_decay is 2 lambda. Krogh & Hertz 1991,
NeurIPS; Bishop 2006, section 1.1.

Protocol. Legendre polynomials up to degree 12 on 15 noisy points of sin(pi u): 13 weights and a
bias, a linear model, so nothing but the decay regularizes. Adam in full batch from zero for 1,500
steps at a rate that falls as a cosine. The arm without decay tries six rates; the other tries six
decays at rate 0.1, which is the sweep over lambda. All of the rates are large enough to fit the
noise; the smallest of them stops the earliest, which regularizes too, so the comparison is fair to
the arm without decay. test/mse is the distance to the noiseless curve. The mean squared error of an
over-fitted polynomial has no meaningful mean over seeds, hence its logarithm. For the pictures the
probe `fit` draws the curve of the first seed. gpu: the same problem, three times the steps.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, difference, log_ratio

A_FIFTH_LESS = at_least(math.log(1.25))  # of a log ratio: -ln .8

ABLATION = Ablation(
    question="Does weight decay keep a polynomial from over-fitting?",
    slide="Regularization in SGD: Weight Decay",
    recipe=Recipe(
        model="linear",
        data="polynomial",
        data_args={"train": 15, "val": 1000, "standardize": False},
        task="regression",
        init="zero",
        optimizer="adam",
        lr=0.1,
        schedule="cosine",
        batch_size=15,
        steps=4500,
        evaluations=10,
        probes=("weight_norms", "fit"),
    ),
    arms={"none": {}, "decay": {}},
    tune={
        "none": {"lr": (0.03, 0.06, 0.1, 0.2, 0.3, 0.6)},
        "decay": {"weight_decay": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)},
    },
    select="val/mse",
    scales={"cpu": {"steps": 1500}, "gpu": {}},
    claims=[
        Claim(
            "Weight decay lowers the test error of regression by a fifth",
            log_ratio("test/mse", "none", "decay"),
            A_FIFTH_LESS,
            objection="So would stopping early, or more data; and a decay tuned on 1,000 points "
            "knows more than 15.",
        ),
        Claim(
            "Weight decay makes the weights smaller",
            difference("weight_norms/total", "none", "decay"),
            at_least(0),
        ),
    ],
)
