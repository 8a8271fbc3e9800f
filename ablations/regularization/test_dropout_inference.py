"""Does one deterministic pass approximate the average over the thinned nets?

Slide: "Test time: Deterministic Approximation". Srivastava et al. 2014, JMLR 15, section 7.5 and
Figure 11: about 50 samples are as good as weight scaling.

Protocol. A ReLU net of 2 x 128 with dropout of .5 on 500 digits at 14x14, and a linear net with
input dropout of .5; six rates each. Each trained net predicts the same test images in four ways:
one pass as it is, one thinned net, the mean of the softmax over 50 thinned nets, and one pass
without the scaling of the weights. So the pairs share the net, and only the prediction differs. For
the linear net the scaling is exact for the mean of the logits and for the geometric mean of the
softmax (proved in `tests/layers/test_noise.py`). For the arithmetic mean, which is taken here, it
is an approximation too.

gpu and paper: a net of 3 x 1024 on Fashion-MNIST; at gpu it is tuned on one seed, as at cpu.

The control is the single thinned net. "No scaling at test" turned out to be no control for the
error: on the validation split of a tuning seed, with ReLU, tanh and sigmoid alike, it changed the
error by .25 points at most. A factor on all units of a layer hardly changes which logit is the
largest (in a ReLU net without biases not at all); it makes the net too sure. So it has a claim and
a verdict of its own, fixed before any number from the test split was known.
"""

from dlgbench import Ablation, Claim, Recipe, contrast, within

DROP = {"model_args.dropout": 0.5}
SMALL = {
    "data": "mnist5k",
    "data_args.train": 500,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "batch_size": 50,
    "steps": 800,
    "evaluations": 4,
    "tuning_seeds": 1,
    "arms": ("dropout", "linear"),
}
ONE_PASS, ONE_THINNED = "averaging/once", "averaging/k1"
MEAN_OF_50, UNSCALED = "averaging/k50", "averaging/unscaled"
HALF_A_POINT = within(0.005)
LARGE = ("dropout_3x1024", "linear")


def claims_about(net: str, arm: str) -> list[Claim]:
    """The four predictions of one net, compared in three pairs."""
    return [
        Claim(
            f"One pass errs as the mean over 50 thinned nets does, within half a point, {net}",
            contrast(ONE_PASS, MEAN_OF_50, arm),
            HALF_A_POINT,
            published="k = 50 equals weight scaling",
            source="Srivastava 2014, section 7.5, Figure 11",
        ),
        Claim(
            f"Without the scaling it errs as much, within half a point, {net}",
            contrast(UNSCALED, ONE_PASS, arm),
            HALF_A_POINT,
            objection="The error sees the largest logit alone. The probabilities, and with them "
            "the loss, are not those of the average.",
        ),
        Claim(
            f"Control: a single thinned net errs as one pass does, within half a point, {net}",
            contrast(ONE_THINNED, ONE_PASS, arm),
            HALF_A_POINT,
            expect="not supported",
        ),
    ]


ABLATION = Ablation(
    question="Does one deterministic pass approximate the average over the thinned nets?",
    slide="Test time: Deterministic Approximation",
    recipe=Recipe(
        model="mlp",
        data="fashion_mnist",
        data_args={"val": 10_000},
        optimizer="adam",
        schedule="linear",
        steps=30_000,
        probes=("averaging",),
    ),
    arms={
        "dropout": DROP | {"model_args.hidden": (128, 128)},
        "dropout_3x1024": DROP | {"model_args.hidden": (1024,) * 3},
        "linear": {"model_args.hidden": (), "model_args.input_dropout": 0.5},
    },
    tune={"lr": (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)},
    scales={"cpu": SMALL, "gpu": {"tuning_seeds": 1, "arms": LARGE}, "paper": {"arms": LARGE}},
    claims=[
        *claims_about("a ReLU net", "dropout"),
        *claims_about("a ReLU net of 3 x 1024", "dropout_3x1024"),
        *claims_about("a linear net", "linear"),
    ],
)
