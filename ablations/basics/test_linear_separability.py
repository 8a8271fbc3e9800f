"""Do linear classifiers fail where no line separates the classes, and does an MLP succeed?

Slides: "Machine Learning 101: Linear Classifier", "Nonlinear decision boundaries", "Perceptrons
(60's)", "Multi-Layer Perceptrons (~1985)". Minsky & Papert 1969 for XOR; Rosenblatt 1958 for the
rule by which the perceptron learns.

Protocol. Compared are logistic regression (convex), the perceptron under its own criterion from
w = 0 (where the rate only scales w), and an MLP of 32-32 ReLUs. Each is trained for 300 steps at a
rate that decays to 0: by Adam, the perceptron by its own rule on minibatches. At rate .1 logistic
regression ends within 1e-4 of scikit-learn's minimum of the loss on the toy data. The best line of
all, found by scanning, errs on 33 % of XOR (1/3 by hand), 36 % of circles, 12 % of moons and 33 %
of the spirals; on circles and XOR the MLP must beat it too. Controls: two Gaussians that a line
separates, and the MLP with g = identity, which is a linear classifier.

Smallest effects: 10 points on circles and XOR, from the catalogue of claims. Where it says
"report": 10 points for the spirals, 5 for moons (where a line has 12 to lose), 2 for digits.

Earlier protocol. At first the rates were chosen by val/error. On the Gaussians all rates tied, so
the first of them, .001, won and left the linear arm near its initial weights: its error was .37,
and the control on them was left undecided. Hence val/loss. No other verdict changed, and no
threshold was touched.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, value

MLP = {"model_args.hidden": (32, 32)}
IDENTITY = MLP | {"model_args.activation": "identity"}
UNTRAINED = MLP | {"steps": 0}
LINEAR_MODELS = {
    "linear": {"model": "linear", "model_args": {}},
    "perceptron": {
        "model": "perceptron",
        "model_args": {},
        "loss": "perceptron",
        "init": "default",
        "optimizer": "sgd",
    },
}
MODELS = LINEAR_MODELS | {"mlp": MLP}
TOYS = {
    name: {"data": name, "data_args": {}, "probes": ("boundary",)}
    for name in ("circles", "xor", "moons", "spirals", "gaussians")
}
SMALL = {
    "data": "mnist5k",
    "data_args": {"val": 1000, "shrink": 2},
    "steps": 300,
    "evaluations": 3,
    "tuning_seeds": 1,
}
ERROR, TEN_POINTS = "test/error", 0.10
LEAST = {
    "circles": TEN_POINTS,
    "xor": TEN_POINTS,
    "spirals": TEN_POINTS,
    "moons": 0.05,
    "digits": 0.02,
}
# the smallest error that a line can have, on 100,000 points
BEST_LINE = {"circles": 0.359, "xor": 0.331}

ABLATION = Ablation(
    question="Do linear classifiers fail where classes are not linearly separable, and does a "
    "multi-layer perceptron succeed?",
    slide="Nonlinear decision boundaries; Perceptrons (60's); Multi-Layer Perceptrons (~1985)",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (128,)},
        data="mnist",
        data_args={"val": 10_000},
        optimizer="adam",
        schedule="linear",
        steps=5000,
    ),
    arms={
        **{
            f"{model}_{data}": toy | MODELS[model] for data, toy in TOYS.items() for model in MODELS
        },
        **{f"{model}_digits": changes for model, changes in LINEAR_MODELS.items()},
        "mlp_digits": {},
        **{f"identity_{data}": TOYS[data] | IDENTITY for data in BEST_LINE},
        **{f"untrained_{data}": TOYS[data] | UNTRAINED for data in BEST_LINE},  # for the picture
    },
    tune={"lr": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)},
    select="val/loss",
    scales={"cpu": SMALL, "gpu": {}},
    claims=[
        *(
            Claim(
                f"The MLP beats the {model} classifier: {data}",
                difference(ERROR, f"{model}_{data}", f"mlp_{data}"),
                at_least(least),
            )
            for data, least in LEAST.items()
            for model in LINEAR_MODELS
        ),
        *(
            Claim(
                f"The MLP beats the best line of all: {data}",
                value(ERROR, f"mlp_{data}"),
                at_most(line - TEN_POINTS),
            )
            for data, line in BEST_LINE.items()
        ),
        *(
            Claim(
                f"Control: on two Gaussians the MLP beats the {model} classifier",
                difference(ERROR, f"{model}_gaussians", "mlp_gaussians"),
                at_least(TEN_POINTS),
                expect="not supported",
            )
            for model in LINEAR_MODELS
        ),
        *(
            Claim(
                f"Control: an MLP with g = identity beats the linear classifier: {data}",
                difference(ERROR, f"linear_{data}", f"identity_{data}"),
                at_least(TEN_POINTS),
                expect="not supported",
            )
            for data in BEST_LINE
        ),
    ],
)
