"""A/A twin of loss_functions: does cross-entropy differ from cross-entropy by a point?

The claims of `basics/loss_functions` are equivalence within a point, which a twin ought to grant, and so it can't be asked again here; what must
not come out is the opposite, a difference of a point between two arms that differ in name only (same recipe, grid and split; fresh weights and
order). Nor may the equivalence be granted to anything: the same net with 250 images is worse by more than a point, and must not pass for equal. And
the task's own loss is cross-entropy under no name: the same to the bit. Ten seeds were run first (-0.3 points [-0.7, 0.0]; refuted, as with six);
six are for the suite's budget of core-seconds. Two tuning seeds as there, after a first evaluation with one (-.2 points [-.7, .3]; refuted too).
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, exactly, within

RATES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "model_args.hidden": (128, 128),
    "steps": 600,
}
ERROR = "test/error"

ABLATION = Ablation(
    question="Does cross-entropy differ from cross-entropy by a point?",
    slide="Training Goal; Loss (prediction error)",
    recipe=Recipe(model="mlp", model_args={"hidden": (1024, 1024)}, data="fashion_mnist", data_args={"train": 50_000, "val": 10_000}, init="glorot",
                  loss="cross_entropy", optimizer="adam", schedule="linear", steps=10_000, evaluations=5),
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}, "unnamed": {"loss": None}, "few": {"data_args.train": 250}},
    tune={"lr": RATES},
    scales={"cpu": SMALL | {"seeds": 6}, "gpu": {}},
    claims=[
        Claim("A/A: the twin of cross-entropy is better by a point", difference(ERROR, "twin_a", "twin_b"), at_least(0.01), expect="not supported"),
        Claim("Sabotage: 250 images are as good within a point", difference(ERROR, "few", "twin_a"), within(0.01), expect="not supported"),
        Claim("Pairing: cross-entropy and the loss without a name are the same, to the bit", difference(ERROR, "twin_a", "unnamed"), exactly(0)),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
