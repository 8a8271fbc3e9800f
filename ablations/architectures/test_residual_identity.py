"""Is the identity, or a small change of it, easier to learn with shortcuts?

Slides "Residual Network": "Difficult to make identity mapping because of multiple non-linear
layers"; "If identity were optimal, easy to set weights as 0. If optimal mapping is closer to
identity, easier to find small fluctuations". He et al. 2016, CVPR, section 3.1, Figure 7.
`architectures/residual_block` has the exact part.

Protocol. Patches of photographs, 16x16 in [0, 1], are to be answered with themselves or, as
`sharpened_...`, a little sharpened: y = x + sharpening(x), one 3x3 convolution, so that no error
has to remain. Stacks of 8 channels, with 2 or 16 layers in blocks of two between a first and a
last convolution; no normalization, whose batch statistics would make the identity harder for both.
The last layer of each residual block is initially 0, all other weights are He's and equal in both.
cpu: Adam, the rate falling linearly over 300 minibatches of 16; six rates for each arm, chosen on
two tuning seeds; ten seeds.

This is the second protocol. The first evaluation had 12 layers, 200 minibatches of 8 and one tuning
seed, without a pilot of its own; tenfold was refuted there, at about threefold. But the residual
stack of 12 layers had the largest rate of the grid, .016, which its one tuning seed chose and some
seeds did not bear. The size is now that of the pilot before it (16 layers, 300 minibatches of 16,
twelvefold at a rate of .003 on one tuning seed). On the mean of tuning seeds 1000 and 1001 both
ends of the grid are worse than what lies between. Tuning seed 1001 also shows that 16 plain layers
may not train at all, at any of the six rates (an error of .06, as of an answer that is constant),
and such seeds widen the mean ratio. Thresholds and expectations are as they were.

Smallest effects, fixed beforehand: tenfold squared error for either task at 16 layers; twofold for
the change from 2 to 16 layers; a tenth for the responses, of which Figure 7 shows the order alone.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, log_ratio

ERROR, FIGURE = "test/mse", "He 2016, Figure 7"
SHARPENED = {"data": "photographs_sharpened"}
PLAIN = {"model_args.skip": False}
DEPTHS = {layers: {"model_args.blocks": layers // 2} for layers in (2, 16)}

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
        "sharpened_plain_16": SHARPENED | PLAIN | DEPTHS[16],
        "sharpened_residual_16": SHARPENED | DEPTHS[16],
    },
    tune={"lr": (0.0005, 0.001, 0.002, 0.004, 0.01, 0.03)},
    select="val/mse",
    scales={
        "cpu": {
            "data_args.val": 200,
            "batch_size": 16,
            "steps": 300,
            "evaluations": 2,
            "tuning_seeds": 2,
        },
        "gpu": {},
    },
    claims=[
        Claim(
            "Sixteen plain layers learn the identity with ten times a residual net's error",
            log_ratio(ERROR, "plain_16", "residual_16"),
            at_least(math.log(10)),
            objection="The residual net begins as the identity between its first and last layer; a "
            "plain one can begin so too (Dirac kernels).",
        ),
        Claim(
            "Sixteen plain layers learn to sharpen with ten times a residual net's error",
            log_ratio(ERROR, "sharpened_plain_16", "sharpened_residual_16"),
            at_least(math.log(10)),
        ),
        Claim(
            "Sixteen plain layers learn the identity with twice the error of two",
            log_ratio(ERROR, "plain_16", "plain_2"),
            at_least(math.log(2)),
        ),
        Claim(
            "With shortcuts sixteen layers learn it with at most twice the error of two",
            log_ratio(ERROR, "residual_16", "residual_2"),
            at_most(math.log(2)),
        ),
        Claim(
            "Plain layers respond more than residual ones, by a tenth",
            log_ratio("response_sd", "plain_16", "residual_16"),
            at_least(math.log(1.1)),
            published="residual nets have generally smaller responses",
            source=FIGURE,
        ),
    ],
    objection="What holds for an exact identity says little of tasks that are far from it.",
)
