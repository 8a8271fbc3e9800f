"""Is there a step size between crawling and diverging?

Slides: "Learning rate", "Gradient Descent": too small a step crawls, too large a step diverges.
Goodfellow, Bengio & Courville 2016, Figure 11.1.

Protocol. SGD with batches of 50 for 400 steps on 2,000 digits at 14x14, a ReLU net of two hidden
layers, at six rates over five decades. The middle one, 0.1, was named beforehand: it is the usual
rate of plain SGD under He's initialization. Nothing is tuned: the rate is the question. A run that
diverged has the worst rank.

Smallest effect of interest: 10 points of test error, since crawling and diverging are collapses,
which a few points would not show.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

RATES = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "model_args.hidden": (64, 64),
    "steps": 400,
}
A_COLLAPSE = at_least(0.1)

ABLATION = Ablation(
    question="Is there a step size between crawling and diverging?",
    slide="Learning rate",
    recipe=Recipe(
        model="mlp",
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=50,
        steps=10_000,
        evaluations=20,
    ),
    arms={f"lr_{rate:g}": {"lr": rate} for rate in RATES},
    scales={"cpu": SMALL, "gpu": {}},
    claims=[
        Claim(
            "Too small crawls: at a thousandth of the middle rate the test error is 10 points "
            "higher",
            difference("test/error", "lr_0.0001", "lr_0.1"),
            A_COLLAPSE,
            objection="Within the budget: given a thousand times the steps, the smallest rate gets "
            "there too.",
        ),
        Claim(
            "Too large diverges: at a hundredfold of the middle rate the test error is 10 points "
            "higher",
            difference("test/error", "lr_10", "lr_0.1"),
            A_COLLAPSE,
            objection="A ReLU net need not reach infinity: it may die, and stay at chance.",
        ),
    ],
)
