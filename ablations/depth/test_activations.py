"""Does the choice of the activation function matter in a small net?

Slides: "Activation functions", "ReLU Solves It". The zoo: step, sigmoid, tanh, ReLU, leaky ReLU, ELU, GELU, SiLU. Speed is `depth/activations_speed`'s.

Protocol. cpu: 196-64-64-10 on 2,000 digits at 14x14, SGD, 400 steps of 50; six rates for each, chosen by validation error; the
initialization that goes with each (Glorot for step, sigmoid and tanh, He for the rest). The catalogue says "report"; fixed before any evaluation:
1 point is the margin of equivalence (as for the optimizers), and for the step function, under which only the last layer learns, 5 points is
the smallest loss of interest. `relu_again` is ReLU with fresh weights, order and noise: can ten seeds resolve the margin at all?
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, value, within

GLOROT = ("step", "sigmoid", "tanh")
ZOO = (*GLOROT, "relu", "leaky_relu", "elu", "gelu", "silu")
ERROR = "test/error"
SMALL = {"data": "mnist5k", "data_args.train": 2000, "data_args.val": 1000, "data_args.shrink": 2, "batch_size": 50, "steps": 400, "evaluations": 40,
         "model_args.hidden": (64, 64), "target": {"val/error": 0.12}}  # fmt: skip

ABLATION = Ablation(
    question="Does the choice of the activation function matter in a small net?",
    slide="Activation functions; ReLU Solves It",
    recipe=Recipe(model="mlp", model_args={"hidden": (256, 256, 256)}, data="fashion_mnist", data_args={"val": 10_000}, batch_size=128, steps=10_000,
                  evaluations=200, target={"val/error": 0.12}, probes=("dead_units",)),
    arms={
        **{name: {"model_args.activation": name, "init": "glorot" if name in GLOROT else "he"} for name in ZOO},
        "relu_again": {"random_stream": 1},
    },
    tune={"lr": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
    scales={"cpu": {**SMALL, "tuning_seeds": 1}, "gpu": {}},
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},  # as in `normalization/batchnorm_speed`
    claims=[
        *(Claim(f"{name} is within 1 point of relu", difference(ERROR, name, "relu"), within(0.01), expect="inconclusive",
                objection="One test set: the interval is over seeds, not over test sets.")
          for name in ("sigmoid", "tanh", "leaky_relu", "elu", "gelu", "silu")),
        Claim("The step function costs at least 5 points: no gradient passes it, only the last layer learns", difference(ERROR, "step", "relu"), at_least(0.05),
              source="Rumelhart 1986: the reason for smooth units"),
        Claim("At its own rate ReLU leaves at most 10 % of its units dead", value("dead_units", "relu"), at_most(0.1),
              objection="Units die at rates that are too high; the tuning avoids them."),
        Claim("Control: ReLU is within 1 point of ReLU drawn afresh", difference(ERROR, "relu_again", "relu"), within(0.01)),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
