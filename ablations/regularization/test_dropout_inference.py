"""Does one deterministic pass approximate the average over the thinned nets?

Slide: "Test time: Deterministic Approximation". Srivastava et al. 2014, JMLR 15, section 7.5 and Figure 11: about 50 samples are as good as weight
scaling.

Protocol. A ReLU net of 2 x 128 with dropout of .5 on 500 digits of 14x14, and a linear net with input dropout of .5. Each trained net is asked in
four ways on the same test images: one pass as it is, one thinned net, the mean of softmax over 50 of them, and one pass without the scaling of the
weights. So what is paired is the net, and only the asking differs. Six rates each. For the linear net the scaling is exact for the mean of the
logits and for the geometric mean of the softmax (proved in tests/layers/test_noise.py); for the arithmetic mean, taken here, it is an approximation
too. On the control: "no scaling at test" proves to be none where the error is asked. On the validation split of a tuning seed, with ReLU, tanh and
sigmoid alike, it changed the error by .25 points at most: factors on all units of a layer hardly move the largest logit (a ReLU net without biases
would not notice at all), they make it too sure. So it is a claim with a verdict of its own, fixed before any test figure; the control is the single
thinned net.
"""

from dlgbench import Ablation, Claim, Recipe, contrast, within

SMALL = {
    "data": "mnist5k",
    "data_args.train": 500,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "batch_size": 50,
    "steps": 800,
    "evaluations": 4,
}
WIDE, NARROW = {"model_args.hidden": (1024,) * 3}, {"model_args.hidden": (128, 128)}
DROP, LINEAR = (
    {"model_args.dropout": 0.5},
    {"model_args.hidden": (), "model_args.input_dropout": 0.5},
)
SOURCE = "Srivastava 2014, section 7.5, Figure 11"

ABLATION = Ablation(
    question="Does one deterministic pass approximate the average over the thinned nets?",
    slide="Test time: Deterministic Approximation",
    recipe=Recipe(model="mlp", data="fashion_mnist", data_args={"val": 10_000}, optimizer="adam", schedule="linear", steps=30_000, probes=("averaging",)),
    arms={"dropout": NARROW | DROP, "dropout_3x1024": WIDE | DROP, "linear": LINEAR},
    tune={"lr": (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)},
    scales={"cpu": SMALL | {"arms": ("dropout", "linear"), "tuning_seeds": 1}, "gpu": {"arms": ("dropout_3x1024", "linear")}},
    claims=[
        claim
        for arm, net in (("dropout", "a ReLU net"), ("dropout_3x1024", "a ReLU net of 3 x 1024"), ("linear", "a linear net"))
        for claim in (
            Claim(f"One pass errs as the mean over 50 thinned nets does, within half a point, {net}", contrast("averaging/once", "averaging/k50", arm),
                  within(0.005), published="k = 50 equals weight scaling", source=SOURCE),
            Claim(f"Without the scaling it errs as much, within half a point, {net}", contrast("averaging/unscaled", "averaging/once", arm), within(0.005),
                  objection="The error sees the largest logit alone. The probabilities, and with them the loss, are not those of the average."),
            Claim(f"Control: a single thinned net errs as one pass does, within half a point, {net}", contrast("averaging/k1", "averaging/once", arm),
                  within(0.005), expect="not supported"),
        )
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
