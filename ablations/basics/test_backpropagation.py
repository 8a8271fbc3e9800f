"""Does the chain rule, block by block, give the gradients that automatic differentiation gives?

Slides: "Chain Rule", "Toy example: single sigmoidal unit", "Linear Layer in Backward Mode", "Linear Layer Parameters in Backward", "Objective for multi-class
classification". The unit is composed of 1/x, c + x, e^x and a x, each with its derivative. Of the layer b_m = sum_h z_h w_hm: dL/dz_h = sum_c dL/db_c w_hc,
and for each example dL/dw_hm = dL/db_m z_h, of which the minibatch's is the sum.

Protocol. `dlgbench.equations` writes the slides' equations down in plain arithmetic; the probe `by_hand` sets them against torch.autograd in float64 on
fixed random inputs (7 examples, 5 x 5 weights: square, so that a forgotten transpose keeps the shape and must be seen in the numbers). Error: the largest
difference over the largest gradient. Nothing is trained and nothing random: one seed, exact. torch's gradcheck stands in `tests/reference`.
"""

from dlgbench import Ablation, Claim, Recipe, at_most, value

EQUAL = at_most(1e-6)

ABLATION = Ablation(
    question="Does the chain rule, block by block, give the gradients that automatic differentiation gives?",
    slide="Chain Rule; Toy example: single sigmoidal unit",
    recipe=Recipe(model="linear", steps=0, probes=("by_hand",)),
    arms={"by_hand": {}},
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        *(
            Claim(f"By hand as by automatic differentiation: {what}", value(f"by_hand/{name}", "by_hand"), EQUAL, slide=slide, source="the slide's equations")
            for name, what, slide in [
                ("unit", "the sigmoidal unit of four blocks", "Toy example: single sigmoidal unit"),
                ("linear_input", "a linear layer, to its input", "Linear Layer in Backward Mode: One From All"),
                ("linear_weight", "a linear layer, to its weights", "Linear Layer Parameters in Backward: 1-to-1"),
                ("cross_entropy", "softmax cross-entropy", "Objective for multi-class classification"),
            ]
        ),
        Claim("Sabotage: the same for the input without the sum over the outputs", value("by_hand/one_output", "by_hand"), EQUAL, expect="not supported"),
        Claim("Sabotage: the same for the weights without the sum over the examples", value("by_hand/without_sum", "by_hand"), EQUAL, expect="not supported"),
        Claim("Sabotage: the same for the input with w not transposed", value("by_hand/not_transposed", "by_hand"), EQUAL, expect="not supported"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
