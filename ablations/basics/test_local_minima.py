"""Are the local minima that gradient descent finds from different starts almost equally good?

Slide: "Multiple Local Minima, based on initialization": "Empirically all are almost equally good".
Choromanska et al. 2015, AISTATS: the larger the net, the narrower the band in which the minima lie.
Goodfellow et al. 2015, ICLR: what lies on the straight line between two of them.

Protocol. One hidden layer of 2, 4, 8 or 64 ReLUs on 2,000 digits at 14x14. Each run trains it twice
on the same split, from fresh weights and in fresh order. The gap is the distance of the two test
errors; since E|a - b| = 1.13 SD, it also tells the spread over starts: a gap of g is an SD of
.89 g. Adam decays to 0, so that a run ends in a minimum and not in the noise around it: 64 units
end at a training loss of .002. The rate is the same for all, since two starts must differ in
nothing else: on a tuning seed .01 was the best or next to the best (by .003 of val/error) at each
width, among six rates from .001 to .1. The narrow nets are a control: a claim that held for them
too would be empty.

Smallest effects, fixed before any run. "Almost equally good" is a gap of one point. That equally
good is not the same needs 2 % of the images in different classes, twice that margin, and a hill of
.23 nats of the test loss on the straight line: a tenth of ln 10, the loss of a net that knows
nothing. Control: a linear classifier, whose loss is convex on any data, has no hill.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, value

WIDTHS = (2, 4, 8, 64)
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "steps": 1000,
    "evaluations": 2,
    "seeds": 15,
}
BARRIER, A_HILL = "minima/barrier", at_least(0.23)  # nats
OBJECTION = {
    "narrow": "The slide says all; a narrow net has few ways down, and the start decides where it "
    "gets stuck.",
    "wide": "Equal errors do not make equal minima: the two nets may well err on different digits.",
}


def equally_good(width: int) -> Claim:
    """Two starts end within a point of test error; expected of the widest net alone."""
    wide = width == max(WIDTHS)
    return Claim(
        f"At width {width} two starts end within a point of test error",
        value("minima/gap", f"w{width}"),
        at_most(0.01),
        source="Choromanska 2015, Figure 3",
        expect="supported" if wide else "refuted",
        objection=OBJECTION["wide" if wide else "narrow"],
    )


ABLATION = Ablation(
    question="Are the local minima that gradient descent finds from different starts almost "
    "equally good?",
    slide="Multiple Local Minima, based on initialization",
    recipe=Recipe(
        model="mlp",
        data="fashion_mnist",
        data_args={"train": 50_000, "val": 10_000},
        optimizer="adam",
        schedule="linear",
        lr=0.01,
        steps=10_000,
        probes=("minima",),
    ),
    arms={
        **{f"w{width}": {"model_args.hidden": (width,)} for width in WIDTHS},
        "linear": {"model": "linear"},
    },
    scales={"cpu": SMALL, "gpu": {"seeds": 20}},
    claims=[
        *(equally_good(width) for width in WIDTHS),
        Claim(
            "Equally good is not the same: at width 64 two starts put 2 % of the images into "
            "different classes",
            value("minima/disagreement", "w64"),
            at_least(0.02),
        ),
        Claim(
            "Two places, not one: at width 64 a hill of .23 nats of test loss lies on the straight "
            "line between two starts' ends",
            value(BARRIER, "w64"),
            A_HILL,
            objection="A permutation of the units, or a curved way, may lead around it "
            "(Garipov 2018; Entezari 2022).",
        ),
        Claim(
            "Control: a hill of .23 nats of test loss lies between two linear classifiers",
            value(BARRIER, "linear"),
            A_HILL,
            expect="not supported",
        ),
    ],
    objection="The tighter band of a wide net may as well come of its reaching zero training error "
    "from anywhere.",
)
