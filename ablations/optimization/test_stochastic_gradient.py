"""Does a noisy gradient of B examples train further per example than an exact gradient of N?

Slides: "Gradient Descent vs Stochastic Gradient Descent" (if N = 10^6, back-propagation runs 10^6
times for a single update), "Stochastic Gradient Descent (SGD)". Bottou, Curtis & Nocedal 2018, SIAM
Review 60.

Protocol. N = 2,000 digits at 14x14, an MLP of 64 hidden units, and softmax regression. B = N, 400
and 50 for 10 epochs: 10, 50 and 400 updates for the same number of examples. (In 30 epochs, as the
tuning of an earlier protocol showed, minibatches over-fit, and the validation loss chooses slow
rates.) Each arm tries the same six rates, since a large batch bears a larger rate. The training
loss is that of the whole training split after the last step. Two further arms make 50 updates each,
whatever they cost: there the exact gradient must not lose. The noise is probed before training: the
SD of the gradients of 100 minibatches, for B = 8 ... 128. gpu: the same N with 784-1024-10 on
Fashion-MNIST.

Traps. Counted in updates, full batch wins. Losses are compared as ratios, since their differences
shrink with the loss.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, log_ratio, value, within

N = 2000
LOSS, HALF = "train/loss", at_least(math.log(2))
SOFTMAX = {"model": "linear", "model_args": {}}
PROCESSORS = (
    "With the rates tuned, for either; a machine with N processors would count updates instead."
)
SMALL = {
    "data": "mnist5k",
    "data_args.shrink": 2,
    "data_args.val": 1000,
    "model_args.hidden": (64,),
    "tuning_seeds": 1,
}

ABLATION = Ablation(
    question="Does a noisy gradient of B examples train further than an exact one of N, for the "
    "same number of examples?",
    slide="Gradient Descent vs Stochastic Gradient Descent",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (1024,)},
        data="fashion_mnist",
        data_args={"train": N, "val": 10_000},
        evaluations=10,
    ),
    arms={
        "full": {"batch_size": N, "steps": 10},
        "b400": {"batch_size": 400, "steps": 50},
        "b50": {"batch_size": 50, "steps": 400},
        "softmax_full": SOFTMAX | {"batch_size": N, "steps": 10},
        "softmax_b50": SOFTMAX | {"batch_size": 50, "steps": 400},
        "full_50": {"batch_size": N, "steps": 50},
        "b50_50": {"batch_size": 50, "steps": 50},
        "noise": {"steps": 0, "probes": ("gradient_noise",)},
    },
    tune={"lr": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
    select="val/loss",
    scales={"cpu": SMALL, "gpu": {}},
    claims=[
        Claim(
            "At equal epochs minibatches of 50 halve the training loss of full batch",
            log_ratio(LOSS, "full", "b50"),
            HALF,
            objection=PROCESSORS,
        ),
        Claim(
            "At equal epochs minibatches of 400 halve it",
            log_ratio(LOSS, "full", "b400"),
            HALF,
            objection=PROCESSORS,
        ),
        Claim(
            "At equal epochs minibatches of 50 halve that of softmax regression",
            log_ratio(LOSS, "softmax_full", "softmax_b50"),
            HALF,
        ),
        Claim(
            "At equal updates full batch is not worse",
            log_ratio(LOSS, "full_50", "b50_50"),
            at_most(0),
            objection="It is not better for each example that it looks at: it looks at 40 times as "
            "many.",
        ),
        Claim(
            "Control: at equal updates minibatches of 50 halve the training loss",
            log_ratio(LOSS, "full_50", "b50_50"),
            HALF,
            expect="not supported",
        ),
        Claim(
            "The gradient's noise falls as one over the root of B",
            value("gradient_noise/slope", "noise"),
            within(0.05, around=-0.5),
            published="SD = sqrt(tr Cov / B)",
            source="Bottou 2018, section 5",
            objection="For independent draws it is arithmetic.",
        ),
    ],
)
