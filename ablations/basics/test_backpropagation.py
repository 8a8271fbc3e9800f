"""Does the chain rule, block by block, give the gradients that automatic differentiation gives?

Slides: "Chain Rule", "Toy example: single sigmoidal unit", "Linear Layer in Backward Mode", "Linear
Layer Parameters in Backward", "Objective for multi-class classification". The sigmoidal unit is
composed of the blocks 1/x, c + x, e^x and a x, each with its own derivative. For the linear layer
b_m = sum_h z_h w_hm the slides give dL/dz_h = sum_c dL/db_c w_hc and, for each example,
dL/dw_hm = dL/db_m z_h; the gradient of a minibatch is the sum over its examples.

Protocol. `dlgbench.equations` writes the slides' equations in plain arithmetic. The probe `by_hand`
compares them with torch.autograd, in float64, on fixed random inputs: 7 examples and 5 x 5 weights,
which are square so that a forgotten transpose keeps the shape and must be seen in the numbers. The
error is the largest difference over the largest gradient. Nothing is trained and nothing is random:
one seed, exact. torch's gradcheck of these equations is in `tests/equations`.
"""

from dlgbench import Ablation, Claim, Recipe, at_most, value

EQUAL = at_most(1e-6)  # relative error; float64 rounds at 1e-16
EQUATIONS = [
    ("unit", "the sigmoidal unit of four blocks", "Toy example: single sigmoidal unit"),
    (
        "linear_input",
        "a linear layer, to its input",
        "Linear Layer in Backward Mode: One From All",
    ),
    (
        "linear_weight",
        "a linear layer, to its weights",
        "Linear Layer Parameters in Backward: 1-to-1",
    ),
    ("cross_entropy", "softmax cross-entropy", "Objective for multi-class classification"),
]
SABOTAGES = [
    ("one_output", "the input without the sum over the outputs"),
    ("without_sum", "the weights without the sum over the examples"),
    ("not_transposed", "the input with w not transposed"),
]

ABLATION = Ablation(
    question="Does the chain rule, block by block, give the gradients that automatic "
    "differentiation gives?",
    slide="Chain Rule; Toy example: single sigmoidal unit",
    recipe=Recipe(model="linear", steps=0, probes=("by_hand",)),
    arms={"by_hand": {}},
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        *(
            Claim(
                f"By hand as by automatic differentiation: {what}",
                value(f"by_hand/{name}", "by_hand"),
                EQUAL,
                slide=slide,
                source="the slide's equations",
            )
            for name, what, slide in EQUATIONS
        ),
        *(
            Claim(
                f"Sabotage: the same for {what}",
                value(f"by_hand/{name}", "by_hand"),
                EQUAL,
                expect="not supported",
            )
            for name, what in SABOTAGES
        ),
    ],
)
