"""Which ways do the optimizers take through a ravine, a bent valley and a plain with a corner?

Slides: "(S)GD with momentum", "Step-size Selection & Optimizers: research problem". Rosenbrock
1960; Beale 1958.

Protocol. No noise, one start for each function, 300 steps, and a point of the path at every third
step. In the ravine (kappa = 100) descent has the best rate of theory, 2 / (L + m), which is nearly
the largest stable one. Every other rate is the one of 1, 3 x 10^k that ended lowest in a search
outside of the suite. So these are pictures of each rule at its best, and no ranking. The claims are
about the ravine alone: half the steps to f <= .01, as in `optimization/momentum`.

Trap. The ravine lies along the axes, where the rules that scale each weight by itself see a round
bowl.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

STARTS = {
    "ravine": ("quadratic", (-1.7, 0.6)),
    "rosenbrock": ("rosenbrock", (-1.2, 1.0)),
    "beale": ("beale", (1.0, 1.5)),
}
RATES = {
    "sgd": {"ravine": 2 / 101, "rosenbrock": 0.003, "beale": 0.03},
    "momentum": {"ravine": 0.01, "rosenbrock": 0.003, "beale": 0.003},
    "nag": {"ravine": 0.01, "rosenbrock": 0.001, "beale": 0.003},
    "rprop": {"ravine": 0.003, "rosenbrock": 0.03, "beale": 0.0003},
    "adagrad": {"ravine": 1.0, "rosenbrock": 1.0, "beale": 1.0},
    "rmsprop": {"ravine": 3.0, "rosenbrock": 0.1, "beale": 0.3},
    "adadelta": {"ravine": 3.0, "rosenbrock": 3.0, "beale": 3.0},
    "adam": {"ravine": 1.0, "rosenbrock": 1.0, "beale": 0.3},
}

ABLATION = Ablation(
    question="Which ways do the optimizers take through a ravine, a bent valley and a plain with a "
    "corner?",
    slide="Step-size Selection & Optimizers: research problem",
    recipe=Recipe(
        model="function",
        task="minimization",
        steps=300,
        evaluations=100,
        target={"val/loss": 0.01},
    ),
    arms={
        f"{place}_{rule}": {
            "model_args.name": function,
            "model_args.start": start,
            "optimizer": rule,
            "lr": rates[place],
        }
        for place, (function, start) in STARTS.items()
        for rule, rates in RATES.items()
    },
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        Claim(
            f"{name} leaves the ravine in half the steps of gradient descent",
            log_ratio("steps_to_target", "ravine_sgd", f"ravine_{rule}"),
            at_least(math.log(2)),
        )
        for rule, name in (("momentum", "Momentum"), ("adam", "Adam"))
    ],
)
