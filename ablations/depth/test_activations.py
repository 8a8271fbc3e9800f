"""Does the choice of the activation function matter in a small net?

Slides: "Activation functions", "ReLU Solves It". Compared are step, sigmoid, tanh, ReLU, leaky
ReLU, ELU, GELU and SiLU. How fast they train is the question of `depth/activations_speed`.

Protocol. cpu: 196-64-64-10 on 2,000 digits at 14x14, SGD, 400 steps on minibatches of 50. Each
function tries six rates, chosen by validation error, and starts from the initialization that goes
with it: Glorot's for step, sigmoid and tanh, He's for the others. `relu_again` is ReLU with fresh
weights, order and noise: it shows whether the seeds can resolve the margin at all.

Smallest effects. The catalogue of claims says "report" here. Fixed before any evaluation: 1 point
is the margin of equivalence, as for the optimizers; for the step function, under which only the
last layer learns, 5 points is the smallest loss of interest. Ten seeds left tanh open; twenty, at
cpu, were declared before the rerun.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, value, within

FROM_GLOROT = ("step", "sigmoid", "tanh")
FROM_HE = ("relu", "leaky_relu", "elu", "gelu", "silu")
SMOOTH_OR_LEAKY = ("sigmoid", "tanh", "leaky_relu", "elu", "gelu", "silu")
ERROR, ONE_POINT = "test/error", within(0.01)

ABLATION = Ablation(
    question="Does the choice of the activation function matter in a small net?",
    slide="Activation functions; ReLU Solves It",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (256, 256, 256)},
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=128,
        steps=10_000,
        evaluations=200,
        target={"val/error": 0.12},
        probes=("dead_units",),
    ),
    arms={
        **{name: {"model_args.activation": name, "init": "glorot"} for name in FROM_GLOROT},
        **{name: {"model_args.activation": name, "init": "he"} for name in FROM_HE},
        "relu_again": {"random_stream": 1},
    },
    tune={"lr": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
    scales={
        "cpu": {
            "data": "mnist5k",
            "data_args.train": 2000,
            "data_args.val": 1000,
            "data_args.shrink": 2,
            "model_args.hidden": (64, 64),
            "batch_size": 50,
            "steps": 400,
            "evaluations": 40,
            "seeds": 20,
            "tuning_seeds": 1,
        },
        "gpu": {},
    },
    # as in `normalization/batchnorm_speed`
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},
    claims=[
        *(
            Claim(
                f"{name} is within 1 point of relu",
                difference(ERROR, name, "relu"),
                ONE_POINT,
                expect="inconclusive",
                objection="One test set: the interval is over seeds, not over test sets.",
            )
            for name in SMOOTH_OR_LEAKY
        ),
        Claim(
            "The step function costs at least 5 points: no gradient passes it, "
            "only the last layer learns",
            difference(ERROR, "step", "relu"),
            at_least(0.05),
            source="Rumelhart 1986: the reason for smooth units",
        ),
        Claim(
            "At its own rate ReLU leaves at most 10 % of its units dead",
            value("dead_units", "relu"),
            at_most(0.1),
            objection="Units die at rates that are too high; the tuning avoids them.",
        ),
        Claim(
            "Control: ReLU is within 1 point of ReLU drawn afresh",
            difference(ERROR, "relu_again", "relu"),
            ONE_POINT,
        ),
    ],
)
