"""Do linear classifiers fail where classes are not linearly separable, and does a multi-layer perceptron succeed?

Slides: "Machine Learning 101: Linear Classifier", "Nonlinear decision boundaries", "Perceptrons (60's)", "Multi-Layer Perceptrons (~1985)". Minsky & Papert
1969 for XOR; Rosenblatt 1958 for the rule that the perceptron learns by.

Protocol. Logistic regression (convex), the perceptron under its own criterion from w = 0 (where the rate only scales w), and an MLP of 32-32 ReLUs: 300
steps of Adam (the perceptron: its rule in minibatches), decaying to 0. At rate .1 logistic regression ends within 1e-4 of scikit-learn's minimum of the loss
on the toys. The best line of all, by scanning, errs on 33 % of XOR (1/3 by hand), 36 % of circles, 12 % of moons, 33 % of the spirals: the MLP must beat it
too. Where the claim table says "report": 10 points for the spirals, 5 for moons (a line has 12 to lose), 2 for digits. Controls: Gaussians that a line
separates; the MLP with g = identity, a linear classifier. For the record: rates were first chosen by val/error. On the Gaussians all tied, the first, .001,
won and left the linear arm near its initial weights: error .37, and this control was left undecided. Hence val/loss. No other verdict changed, no threshold
was touched.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, value

MODELS = {
    "linear": {"model": "linear", "model_args": {}},
    "perceptron": {
        "model": "perceptron",
        "model_args": {},
        "loss": "perceptron",
        "init": "default",
        "optimizer": "sgd",
    },
    "mlp": {"model_args.hidden": (32, 32)},
}
IDENTITY = {"model_args.hidden": (32, 32), "model_args.activation": "identity"}
BEST_LINE = {
    "circles": 0.359,
    "xor": 0.331,
}  # the smallest error that a line can have, on 100,000 points
LEAST = {"circles": 0.10, "xor": 0.10, "spirals": 0.10, "moons": 0.05, "digits": 0.02}
ERROR = "test/error"
TOYS = {
    name: {"data": name, "data_args": {}, "probes": ("boundary",)}
    for name in ("circles", "xor", "moons", "spirals", "gaussians")
}

ABLATION = Ablation(
    question="Do linear classifiers fail where classes are not linearly separable, and does a multi-layer perceptron succeed?",
    slide="Nonlinear decision boundaries; Perceptrons (60's); Multi-Layer Perceptrons (~1985)",
    recipe=Recipe(model="mlp", model_args={"hidden": (128,)}, data="mnist", data_args={"val": 10_000}, optimizer="adam", schedule="linear", steps=5000),
    arms={
        **{f"{model}_{data}": toy | MODELS[model] for data, toy in TOYS.items() for model in MODELS},
        **{f"{model}_digits": MODELS[model] if model != "mlp" else {} for model in MODELS},
        **{f"identity_{data}": TOYS[data] | IDENTITY for data in BEST_LINE},
        **{f"untrained_{data}": TOYS[data] | MODELS["mlp"] | {"steps": 0} for data in BEST_LINE},  # for the picture
    },
    tune={"lr": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)},
    select="val/loss",
    scales={"cpu": {"data": "mnist5k", "data_args": {"val": 1000, "shrink": 2}, "steps": 300, "evaluations": 3, "tuning_seeds": 1}, "gpu": {}},
    claims=[
        *(Claim(f"The MLP beats the {model} classifier: {data}", difference(ERROR, f"{model}_{data}", f"mlp_{data}"), at_least(least))
          for data, least in LEAST.items() for model in ("linear", "perceptron")),
        *(Claim(f"The MLP beats the best line of all: {data}", value(ERROR, f"mlp_{data}"), at_most(line - 0.10)) for data, line in BEST_LINE.items()),
        *(Claim(f"Control: on two Gaussians the MLP beats the {model} classifier", difference(ERROR, f"{model}_gaussians", "mlp_gaussians"), at_least(0.10),
                expect="not supported") for model in ("linear", "perceptron")),
        *(Claim(f"Control: an MLP with g = identity beats the linear classifier: {data}", difference(ERROR, f"linear_{data}", f"identity_{data}"),
                at_least(0.10), expect="not supported") for data in BEST_LINE),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
