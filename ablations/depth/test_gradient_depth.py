"""Do sigmoids starve the first layers of gradient as depth grows, and does ReLU solve it?

Slides: "Vanishing Gradients Problem", "ReLU Solves It". g' <= 1/4 for the sigmoid, so ten layers leave at most .25^10 = 9.5e-7;
the slide: "Do this 10 times: updates in the first layers get minimal". Hochreiter 1991; Glorot & Bengio 2010.

Protocol. Width 64, each activation with its own initialization (Glorot for sigmoid and tanh, He for ReLU). The gradient is read before
training, in float64, as the norm of each hidden layer's weight gradient; first over last tells how much is lost on the way. Depths 5 and
20 are probed only. Trained arms: plain SGD (Adam rescales what vanished and would hide it), six rates, 400 steps on 2,000 digits of 14x14. (28x28 in a
first evaluation, which cost the suite twice as much; there ReLU's depth 10 cost 2.5 points [1.9, 3.1] against depth 2, undecided.)
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, value, within

NETS = {
    "sigmoid": {"model_args.activation": "sigmoid", "init": "glorot"},
    "tanh": {"model_args.activation": "tanh", "init": "glorot"},
    "relu": {"model_args.activation": "relu", "init": "he"},
    "sigmoid_bn": {
        "model_args.activation": "sigmoid",
        "init": "glorot",
        "model_args.norm": "batch",
    },
}
TRAINED = ("sigmoid_2", "sigmoid_10", "relu_2", "relu_10", "tanh_10", "sigmoid_bn_10")
RATIO, ERROR = "gradient/log10_ratio", "test/error"

ABLATION = Ablation(
    question="Do sigmoids starve the first layers of gradient as depth grows, and does ReLU solve it?",
    slide="Vanishing Gradients Problem; ReLU Solves It",
    recipe=Recipe(model="mlp", data="mnist5k", data_args={"train": 2000, "val": 1000}, steps=400, evaluations=10, probes=("gradients", "activations")),
    arms={
        **{
            f"{name}_{depth}": net | {"model_args.hidden": (64,) * depth} | ({} if f"{name}_{depth}" in TRAINED else {"steps": 0})
            for name, net in NETS.items()
            for depth in (2, 5, 10, 20)
        },
        "relu_small_10": {"model_args.hidden": (64,) * 10, "init": "normal", "steps": 0},
    },
    tune={"lr": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)},
    scales={"cpu": {"data_args.shrink": 2}, "gpu": {"data": "fashion_mnist", "data_args.train": 50_000, "data_args.val": 10_000, "steps": 5000}},
    claims=[
        Claim("With sigmoids the first layer's share of the gradient falls a thousandfold from depth 2 to 10",
              difference(RATIO, "sigmoid_2", "sigmoid_10"), at_least(3), published=".25^10 = 9.5e-7 at the most", source="the slide's bound on g'"),
        Claim("With ReLU it stays within a factor of ten", difference(RATIO, "relu_2", "relu_10"), within(1)),
        Claim("A sigmoid net of depth 10 stays at chance", value(ERROR, "sigmoid_10"), at_least(0.85),
              objection="Under SGD and within the budget: Adam lifts it off chance, and batch normalization cures it."),
        Claim("A ReLU net of depth 10 costs at most 3 points against depth 2", difference(ERROR, "relu_10", "relu_2"), at_most(0.03)),
        Claim("Only ReLU solves it: tanh stays at chance at depth 10", value(ERROR, "tanh_10"), at_least(0.85), expect="refuted",
              objection="Tanh has slope 1 at 0; with Glorot's initialization it carries the gradient as well as ReLU."),
        Claim("Only ReLU solves it: sigmoid with batch normalization stays at chance at depth 10", value(ERROR, "sigmoid_bn_10"), at_least(0.85),
              expect="refuted", source="Ioffe & Szegedy 2015 train sigmoid nets"),
        Claim("Control: sigmoid already fails against ReLU at depth 2", difference(ERROR, "sigmoid_2", "relu_2"), at_least(0.5), expect="not supported"),
        Claim("A fair ratio can hide a dead gradient: N(0, .01) leaves the first layer less than 1e-6",
              value("gradient/first", "relu_small_10"), at_most(1e-6)),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
