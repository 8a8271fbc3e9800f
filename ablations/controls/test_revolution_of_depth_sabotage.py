"""Sabotage of the revolution of depth: does the claim notice a deep net without nonlinearity?

In the arm `linear` every ReLU of the residual net is the identity, so that its 34 layers are one
linear one but for the normalization. The claim of `architectures/revolution_of_depth` that ResNet
has a lower test error than LeNet must not come out supported. Five seeds and one rate for each, the
same for all seeds; 50 steps.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="architectures/revolution_of_depth",
    question="Does the claim notice a deep net without nonlinearity?",
    override={"lr": 0.002},
    arms={
        "lenet": {"model": "lenet5", "model_args.width": 1.0},
        "linear": {"identity": ("ReLU",)},
    },
    tune={},
    scales={"cpu": {"steps": 50, "evaluations": 1, "seeds": 5}},
    claims=[
        Claim(
            "Sabotage: a ResNet without nonlinearity has a lower test error than LeNet",
            difference("test/error", "lenet", "linear"),
            at_least(0.005),
            expect="not supported",
        ),
    ],
)
