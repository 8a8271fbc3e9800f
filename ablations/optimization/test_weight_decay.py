"""Does weight decay keep a polynomial from over-fitting?

Slides: "Reminder: Overfitting, in images", "Regularization in SGD: Weight Decay": the gradient gains 2 lambda W, so torch's weight_decay is 2 lambda.
Krogh & Hertz 1991, NeurIPS; Bishop 2006, section 1.1.

Protocol. Legendre polynomials up to degree 12 on 15 noisy points of sin(pi u): 13 weights and a bias, linear, so nothing but the decay regularizes.
Adam in full batch from zero for 1,500 steps at a rate that falls as a cosine. The arm without decay tries six rates, the other six decays at rate
0.1: the sweep over lambda. All of the rates are large enough to fit the noise; the smallest stops the earliest, which is a regularizer too, so the
comparison is fair to it. test/mse is the distance to the noiseless curve. The mean squared error of an over-fit has no mean worth the name: hence its
log. The pictures: probe `fit` draws the curve of the first seed. gpu: the same problem, three times the steps.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, log_ratio

FIFTH = 0.22314355131420976  # -ln .8: a fifth less

ABLATION = Ablation(
    question="Does weight decay keep a polynomial from over-fitting?",
    slide="Regularization in SGD: Weight Decay",
    recipe=Recipe(model="linear", data="polynomial", data_args={"train": 15, "val": 1000, "standardize": False}, task="regression", init="zero",
                  optimizer="adam", lr=0.1, schedule="cosine", batch_size=15, steps=4500, evaluations=10, probes=("weight_norms", "fit")),
    arms={"none": {}, "decay": {}},
    tune={"none": {"lr": (0.03, 0.06, 0.1, 0.2, 0.3, 0.6)}, "decay": {"weight_decay": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)}},
    select="val/mse",
    scales={"cpu": {"steps": 1500}, "gpu": {}},
    claims=[
        Claim("Weight decay lowers the test error of regression by a fifth", log_ratio("test/mse", "none", "decay"), at_least(FIFTH),
              objection="So would stopping early, or more data; and a decay tuned on 1,000 points knows more than 15."),
        Claim("Weight decay makes the weights smaller", difference("weight_norms/total", "none", "decay"), at_least(0)),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
