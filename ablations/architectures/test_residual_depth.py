"""Do more layers hurt a plain net's training error, and a residual net's not?

Slides: "Plain network: deeper is not necessarily better" (56 layers have higher training and test error than 20), "Residual Network: deeper is
better" (deeper ResNets have lower training error). He et al. 2016, CVPR, section 4.2, Figures 1 and 6, Table 6.

Protocol. Plain and residual nets have the same blocks and layers, batch normalization in both, and begin with the same weights. Six rates for each
arm; the trap is a rate too high, which breaks both kinds. cpu: 56 layers at half width on 1,000 digits of 7x7, since depth is the matter and width and
pixels only cost; SGD with momentum, the rate falling linearly over 250 steps (8 epochs). Tuning seeds alone chose this: in 200 steps, or where the rate
falls by steps, the deeper residual net is not done yet. Five seeds: the effect is a collapse. gpu: He's recipe but for his warm-up of 110 layers.

Smallest effects, fixed beforehand: 5 points of training error for the plain net, 1 for the residual, hence 4 for the interaction, which is primary.
"Deeper is better" wants half a point of test error, the least that runs whose SD is .2 points (He's 110 layers: .16) can show.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, interaction

DEPTHS = (20, 32, 44, 56, 110)
TRAIN, TEST, TABLE = "train/error", "test/error", "He 2016, Table 6"

ABLATION = Ablation(
    question="Do more layers hurt a plain net's training error, and a residual net's not?",
    slide="Plain network: deeper is not necessarily better; Residual Network: deeper is better",
    recipe=Recipe(model="resnet20", data="cifar10", data_args={"val": 5000, "augment": "crop_flip"}, optimizer="momentum", weight_decay=1e-4,
                  schedule="step", batch_size=128, steps=64_000),
    arms={f"{family}{depth}": {"model": f"{family}{depth}"} for family in ("plain", "resnet") for depth in DEPTHS},
    tune={"lr": (0.003, 0.01, 0.02, 0.05, 0.1, 0.2)},
    scales={
        "cpu": {"data": "mnist5k", "data_args": {"train": 1000, "val": 1000, "shrink": 4}, "model_args.width": 0.5, "schedule": "linear",
                "batch_size": 32, "steps": 250, "evaluations": 5, "seeds": 5, "tuning_seeds": 1, "arms": ("plain20", "plain56", "resnet20", "resnet56")},
        "gpu": {"seeds": 5, "tuning_seeds": 1},
    },
    claims=[
        Claim("From 20 to 56 layers a plain net loses training error that a residual net does not",
              interaction(TRAIN, ("plain56", "plain20"), ("resnet56", "resnet20")), at_least(0.04),
              published="56 layers lie above 20 plain, below 20 residual", source="He 2016, Figure 6"),
        Claim("A plain net of 56 layers has the higher training error", difference(TRAIN, "plain56", "plain20"), at_least(0.05), source="He 2016, Figure 1"),
        Claim("A plain net of 56 layers has the higher test error", difference(TEST, "plain56", "plain20"), at_least(0.05), source="He 2016, Figure 1"),
        Claim("56 residual layers cost at most a point of training error", difference(TRAIN, "resnet56", "resnet20"), at_most(0.01)),
        Claim("Deeper residual is better: 56 layers lower the test error", difference(TEST, "resnet20", "resnet56"), at_least(0.005), expect="inconclusive",
              published="8.75 % to 6.97 %", source=TABLE, objection="Small images are learnt as well by 20 layers; 1,202 do worse on test (7.93 %)."),
        Claim("110 residual layers lower the test error by a point", difference(TEST, "resnet20", "resnet110"), at_least(0.01),
              published="8.75 % to 6.43 % (mean of five 6.61 +- .16)", source=TABLE),
    ],
    objection="Not vanishing gradients, since both have batch normalization; He suspects slow convergence, and a small budget shows it the more. "
    "Initialization alone trains 10,000 plain layers (Xiao 2018).",
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
