"""Which ways do the optimizers take through a ravine, a bent valley and a plain with a corner?

Slides: "(S)GD with momentum", "Step-size Selection & Optimizers: research problem". Rosenbrock 1960; Beale 1958.

Protocol. No noise, one start for each function, 300 steps, a point of the path at every third. Descent in the ravine (kappa = 100) has the best rate
of theory, 2 / (L + m), which is all but the largest stable one; every other rate is the one of 1, 3 x 10^k that ended lowest in a search outside of
the suite, so these are pictures of each rule at its best, and no ranking. The claims are about the ravine alone: half the steps to f <= .01, as in
`optimization/momentum`. Traps: the ravine lies along the axes, where the rules that scale each weight apart see a round bowl.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

LN2 = 0.6931471805599453
STARTS = {
    "ravine": ("quadratic", (-1.7, 0.6)),
    "rosenbrock": ("rosenbrock", (-1.2, 1.0)),
    "beale": ("beale", (1.0, 1.5)),
}
RATES = {  # in the ravine, Rosenbrock's valley, Beale's plain
    "sgd": (2 / 101, 0.003, 0.03), "momentum": (0.01, 0.003, 0.003), "nag": (0.01, 0.001, 0.003), "rprop": (0.003, 0.03, 0.0003),
    "adagrad": (1.0, 1.0, 1.0), "rmsprop": (3.0, 0.1, 0.3), "adadelta": (3.0, 3.0, 3.0), "adam": (1.0, 1.0, 0.3),
}  # fmt: skip
FASTER = {"momentum": "Momentum", "adam": "Adam"}

ABLATION = Ablation(
    question="Which ways do the optimizers take through a ravine, a bent valley and a plain with a corner?",
    slide="Step-size Selection & Optimizers: research problem",
    recipe=Recipe(model="function", task="minimization", steps=300, evaluations=100, target={"val/loss": 0.01}),
    arms={
        f"{place}_{rule}": {"model_args.name": name, "model_args.start": start, "optimizer": rule, "lr": rates[k]}
        for k, (place, (name, start)) in enumerate(STARTS.items())
        for rule, rates in RATES.items()
    },
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        Claim(f"{name} leaves the ravine in half the steps of gradient descent", log_ratio("steps_to_target", "ravine_sgd", f"ravine_{rule}"), at_least(LN2))
        for rule, name in FASTER.items()
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
