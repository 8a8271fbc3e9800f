"""Does momentum speed up an MLP?

Slides: "(S)GD with momentum", "Code example: Multi-layer perceptron classification". Sutskever et
al. 2013, ICML.

Protocol. SGD with batches of 50 on 2,000 digits at 14x14, a ReLU net of two hidden layers. The
target, a training loss of 0.3, and the budget, 120 steps, are fixed beforehand. (With 300 steps the
nets over-fitted, and the tuning chose slow rates.) A budget near the target makes the tuning, which
goes by the validation loss, choose for speed. Each rule tries six rates; those of the slide's
momentum are those of heavy ball over (1 - mu) = 1/10, so that the two try the same steps. Control:
mu = 0 is SGD to the bit.

Smallest effect of interest: a fifth fewer steps (ln 1.25), which is a fifth of what one step on the
grid (ln 3) could do. Nobody promises the half of `optimization/momentum` here: a tuned net is not a
ravine of kappa = 100.

Earlier protocol. A first evaluation had one tuning seed and refuted both claims of speed (x 1.02
and x 1.15). One step on the grid weighs more than the effect (`controls/optimizers_twin`), so there
are now two tuning seeds; they chose the same rates.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, difference, exactly, log_ratio, within

STEPS, A_FIFTH_FEWER = "steps_to_target", at_least(math.log(1.25))
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
TENFOLD = tuple(10 * rate for rate in RATES)
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "model_args.hidden": (64, 64),
    "steps": 120,
}

ABLATION = Ablation(
    question="Does momentum speed up an MLP?",
    slide="(S)GD with momentum",
    recipe=Recipe(
        model="mlp",
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=50,
        steps=3000,
        evaluations=60,
        target={"train/loss": 0.3},
    ),
    arms={
        "sgd": {},
        "mu_0": {"optimizer": "momentum", "optimizer_args.momentum": 0.0},
        "ema": {"optimizer": "momentum_ema"},
        "ball": {"optimizer": "momentum"},
        "nag": {"optimizer": "nag"},
    },
    tune={
        "sgd": {"lr": TENFOLD},
        "mu_0": {"lr": TENFOLD},
        "ema": {"lr": TENFOLD},
        "ball": {"lr": RATES},
        "nag": {"lr": RATES},
    },
    select="val/loss",
    scales={"cpu": SMALL, "gpu": {}},
    # harder data: fixed with the catalogue of claims, from its pilots
    dataset_overrides={"fashion_mnist": {"target": {"train/loss": 0.5}}},
    claims=[
        Claim(
            "Heavy ball takes a fifth fewer steps than SGD",
            log_ratio(STEPS, "sgd", "ball"),
            A_FIFTH_FEWER,
        ),
        Claim(
            "Nesterov's gradient takes a fifth fewer steps than SGD",
            log_ratio(STEPS, "sgd", "nag"),
            A_FIFTH_FEWER,
        ),
        Claim(
            "The slide's momentum ends where heavy ball ends",
            difference("test/error", "ema", "ball"),
            within(0.01),
            objection="The same steps but for rounding: at an equal rate it would be 10 times "
            "slower.",
        ),
        Claim(
            "Control: without momentum heavy ball is SGD, to the bit",
            difference("test/loss", "sgd", "mu_0"),
            exactly(0),
        ),
    ],
)
