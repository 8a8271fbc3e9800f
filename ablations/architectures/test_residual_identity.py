"""Is the identity, or a small change of it, easier to learn with shortcuts?

Slides "Residual Network": "Difficult to make identity mapping because of multiple non-linear
layers"; "If identity were optimal, easy to set weights as 0. If optimal mapping is closer to
identity, easier to find small fluctuations". He et al. 2016, CVPR, section 3.1, Figure 7.
`architectures/residual_block` has the exact part.

Protocol. Patches of photographs, 16x16 in [0, 1], are to be answered with themselves or, as
`sharpened_...`, a little sharpened: y = x + sharpening(x), one 3x3 convolution, so that no error
has to remain. Stacks of 8 channels, with 2, 4 or 12 layers in blocks of two between a first and a
last convolution; no normalization, whose batch statistics would make the identity harder for both.
The last layer of each residual block is initially 0, all other weights are He's and equal in both.
cpu: Adam, the rate falling linearly over 200 minibatches of 8; six rates for each arm; ten seeds.
A pilot on one tuning seed had 300 minibatches of 16 and 16 layers, where the plain stack had 12
times the error and the best rate was .003 for both; to save time the evaluation took a third of
that work and 12 layers, without a pilot of its own. There the ratio is about three, and the
residual stack of 12 layers takes the largest rate of the grid, which one tuning seed chose and some
seeds do not bear. Nothing was changed after that was seen.

Smallest effects, fixed beforehand: tenfold squared error for either task at 12 layers; twofold for
the change from 2 to 12 layers; a tenth for the responses, of which Figure 7 shows the order alone.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, log_ratio

ERROR, FIGURE = "test/mse", "He 2016, Figure 7"
SHARPENED = {"data": "photographs_sharpened"}
PLAIN = {"model_args.skip": False}
DEPTHS = {layers: {"model_args.blocks": layers // 2} for layers in (2, 4, 12)}

ABLATION = Ablation(
    question="Is the identity, or a small change of it, easier to learn with shortcuts?",
    slide="Residual Network",
    recipe=Recipe(
        model="residual_stack",
        data="photographs_identity",
        data_args={"train": 1000, "val": 500, "standardize": False},
        task="image_to_image",
        optimizer="adam",
        schedule="linear",
        batch_size=32,
        steps=5000,
        probes=("response_sd",),
    ),
    arms={
        **{f"plain_{layers}": PLAIN | depth for layers, depth in DEPTHS.items()},
        **{f"residual_{layers}": depth for layers, depth in DEPTHS.items()},
        "sharpened_plain_12": SHARPENED | PLAIN | DEPTHS[12],
        "sharpened_residual_12": SHARPENED | DEPTHS[12],
    },
    tune={"lr": (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)},
    select="val/mse",
    scales={
        "cpu": {"batch_size": 8, "steps": 200, "evaluations": 4, "tuning_seeds": 1},
        "gpu": {},
    },
    claims=[
        Claim(
            "Twelve plain layers learn the identity with ten times a residual net's error",
            log_ratio(ERROR, "plain_12", "residual_12"),
            at_least(math.log(10)),
            objection="The residual net begins as the identity between its first and last layer; a "
            "plain one can begin so too (Dirac kernels).",
        ),
        Claim(
            "Twelve plain layers learn to sharpen with ten times a residual net's error",
            log_ratio(ERROR, "sharpened_plain_12", "sharpened_residual_12"),
            at_least(math.log(10)),
        ),
        Claim(
            "Twelve plain layers learn the identity with twice the error of two",
            log_ratio(ERROR, "plain_12", "plain_2"),
            at_least(math.log(2)),
        ),
        Claim(
            "With shortcuts twelve layers learn it with at most twice the error of two",
            log_ratio(ERROR, "residual_12", "residual_2"),
            at_most(math.log(2)),
        ),
        Claim(
            "Plain layers respond more than residual ones, by a tenth",
            log_ratio("response_sd", "plain_12", "residual_12"),
            at_least(math.log(1.1)),
            published="residual nets have generally smaller responses",
            source=FIGURE,
        ),
    ],
    objection="What holds for an exact identity says little of tasks that are far from it.",
)
