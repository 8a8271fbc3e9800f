"""A/A twin of loss_functions: does cross-entropy differ from cross-entropy by a point?

The claims of `basics/loss_functions` are equivalence within a point. Twins ought to be equivalent,
so that claim would test nothing here. What must not come out supported is the opposite, a
difference of a point between two arms that differ in name only (same recipe, grid and split; fresh
weights and order). Nor may anything at all pass as equivalent: the same net with 250 images is
worse by more than a point, and must not pass as equal. And the task's own loss is cross-entropy
without a name: it must be the same to the bit.

Two tuning seeds as in `basics/loss_functions`, and six evaluation seeds for the suite's budget of
core-seconds.

Earlier protocols. Ten seeds were run first (-0.3 points [-0.7, 0.0]; refuted, as with six). A first
evaluation with one tuning seed gave -.2 points [-.7, .3]; refuted too.
"""

from dlgbench import Ablation, Claim, at_least, difference, exactly, within

ERROR = "test/error"

ABLATION = Ablation(
    twin_of="basics/loss_functions",
    question="Does cross-entropy differ from cross-entropy by a point?",
    override={"loss": "cross_entropy"},
    arms={
        "twin_a": {},
        "twin_b": {"random_stream": 1},
        "unnamed": {"loss": None},
        "few": {"data_args.train": 250},
    },
    scales={"cpu": {"seeds": 6}},
    claims=[
        Claim(
            "A/A: the twin of cross-entropy is better by a point",
            difference(ERROR, "twin_a", "twin_b"),
            at_least(0.01),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "Sabotage: 250 images are as good within a point",
            difference(ERROR, "few", "twin_a"),
            within(0.01),
            expect="not supported",
        ),
        Claim(
            "Pairing: cross-entropy and the loss without a name are the same, to the bit",
            difference(ERROR, "twin_a", "unnamed"),
            exactly(0),
            kind="check",
        ),
    ],
)
