"""Sabotage of the revolution of depth: does the claim notice a deep net without nonlinearity?

In the arm `linear` every ReLU of the residual net is the identity, so that its 34 layers are one
linear one but for the normalization. The claim of `architectures/revolution_of_depth` that ResNet
has a lower test error than LeNet must not come out supported. Five seeds, and one rate for both.

A first evaluation had 50 steps at a rate of .002, and the claim was supported there, by 11 points:
LeNet, which has no normalization, had hardly begun (25 to 30 % of test error, where it ends at 10).
So the control now has the steps of the claim itself, at .008, LeNet's second best rate there. On
tuning seeds the linear net then has 12 to 13 % of validation error, LeNet 9 %.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="architectures/revolution_of_depth",
    question="Does the claim notice a deep net without nonlinearity?",
    override={"lr": 0.008},
    arms={
        "lenet": {"model": "lenet5", "model_args.width": 1.0},
        "linear": {"identity": ("ReLU",)},
    },
    tune={},
    scales={"cpu": {"evaluations": 1, "seeds": 5}},
    claims=[
        Claim(
            "Sabotage: a ResNet without nonlinearity has a lower test error than LeNet",
            difference("test/error", "lenet", "linear"),
            at_least(0.005),
            expect="not supported",
        ),
    ],
)
