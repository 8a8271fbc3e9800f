"""Does a classifier need cross-entropy, or does the squared error of regression do as well?

Slides: "Training Goal" ("Example: L2 regression loss") and "Loss (prediction error)": L2 for
regression, cross-entropy for classification. Hui & Belkin 2020 (ICLR 2021) found the squared error
on a par over 20 tasks of text, speech and vision, when each loss has its own rate.

Protocol. 196-128-128-10 on MNIST digits at 14x14; the squared error is taken to one-hot targets,
without a softmax. Adam decays to 0. Each loss tries the same six rates: the best ones lie a factor
of 2 apart, and all lie inside the grid. Both start from Glorot's initialization.

Seen beforehand, on tuning seeds: the start decides here. Under He's initialization the net begins
with outputs of SD 1.4 against targets of 0 and 1. Softmax hardly minds, but with the squared error
the net must first unlearn them, and it memorizes 500 images before it has (validation error .16-.19
against .11; Glorot's was not tried there). So He's start with 500 images is an arm of its own, and
Glorot's beside it tells the effect of the start from that of the number of images.

Smallest effects: one point of test error, as the margin of equivalence and as the loss from He's
start.

Earlier protocol. A first evaluation had one tuning seed and gave +.6 points [.3, 1.0], +1.9 [1.2,
2.5] at 500 images, and +5.3 [4.1, 6.6] from He's start. Since a rate chosen on one seed moves the
error by a point (`controls/optimizers_twin`), there are now two. A second evaluation had ten seeds
and left the tie within a point open; twenty, at cpu, were declared before the third, which decided
it (+.5 points [.2, .7]). Fifteen now, to keep the suite's time in bounds.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, within

LOSSES = ("cross_entropy", "squared")
FEW = {"data_args.train": 500}
CONDITIONS = {"": {}, "_n500": FEW, "_he_n500": FEW | {"init": "he"}}
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "model_args.hidden": (128, 128),
    "steps": 600,
    "seeds": 15,
}
ERROR, HUI = "test/error", "Hui & Belkin 2020"

ABLATION = Ablation(
    question="Does a classifier need cross-entropy, or does the squared error of regression do as "
    "well?",
    slide="Training Goal; Loss (prediction error)",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (1024, 1024)},
        data="fashion_mnist",
        data_args={"train": 50_000, "val": 10_000},
        init="glorot",
        optimizer="adam",
        schedule="linear",
        steps=10_000,
        evaluations=5,
    ),
    arms={
        f"{loss}{condition}": {"loss": loss} | changes
        for condition, changes in CONDITIONS.items()
        for loss in LOSSES
    },
    tune={"lr": (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)},
    scales={"cpu": SMALL, "gpu": {}},
    claims=[
        Claim(
            "Squared error is as good as cross-entropy within a point",
            difference(ERROR, "squared", "cross_entropy"),
            within(0.01),
            published="on a par or better for most of 20 tasks",
            source=HUI,
        ),
        Claim(
            "Squared error is as good as cross-entropy within a point, 500 images",
            difference(ERROR, "squared_n500", "cross_entropy_n500"),
            within(0.01),
            expect="inconclusive",
            source=HUI,
        ),
        Claim(
            "From He's start, with outputs of SD 1.4, squared error is worse by a point, "
            "500 images",
            difference(ERROR, "squared_he_n500", "cross_entropy_he_n500"),
            at_least(0.01),
            objection="A smaller start of the last layer alone mends it: a recipe made for "
            "cross-entropy is no fair ground for another loss.",
        ),
    ],
    objection="Ten balanced classes of digits: with many classes the squared error needs its "
    "targets rescaled (Hui & Belkin, section 5).",
)
