"""Is a residual block with weights of 0 exactly the identity?

Slide "Residual Network": "If identity were optimal, easy to set weights as 0". He et al. 2016,
CVPR, section 3.1. `architectures/residual_identity` shows what that is good for.

Protocol. Nothing is trained. Blocks y = max(0, x + F(x)) whose last layer is 0 (in the nets with
batch normalization its gamma: Goyal et al. 2017, section 5.1) are compared with x on digits, over
all blocks that keep the shape; x is not below 0, since it comes from such a block or a ReLU. One
seed, since this is exact. Controls: gamma at 1, and a plain block, which with weights of 0 would
answer 0 whatever goes in, and so starts from random ones.
"""

from dlgbench import Ablation, Claim, Recipe, exactly, value

CHANGE, ZERO = "identity/change", {"model_args.zero_gamma": True}

ABLATION = Ablation(
    question="Is a residual block with weights of 0 exactly the identity?",
    slide="Residual Network",
    recipe=Recipe(
        model="resnet56",
        data="mnist5k",
        data_args={"shrink": 2},
        steps=0,
        probes=("identity",),
    ),
    arms={
        "resnet56": ZERO,
        "resnet18": {"model": "resnet18", "model_args.width": 0.25} | ZERO,
        "without_norm": {"model": "residual_stack"},
        "gamma_1": {},
        "plain": {"model": "plain56"},
    },
    scales={"cpu": {"seeds": 5}, "gpu": {"seeds": 5}},
    claims=[
        Claim(
            "Each block of ResNet-56 with a last gamma of 0 is the identity",
            value(CHANGE, "resnet56"),
            exactly(0),
        ),
        Claim(
            "Each block of ResNet-18 with a last gamma of 0 is the identity",
            value(CHANGE, "resnet18"),
            exactly(0),
        ),
        Claim(
            "Each block without normalization whose last weights are 0 is the identity",
            value(CHANGE, "without_norm"),
            exactly(0),
        ),
        Claim(
            "Control: with gamma frozen at 1 each block is the identity",
            value(CHANGE, "gamma_1"),
            exactly(0),
            expect="not supported",
        ),
        Claim(
            "Control: each plain block is the identity",
            value(CHANGE, "plain"),
            exactly(0),
            expect="not supported",
        ),
    ],
    objection="Exact at the start alone, and for x >= 0, which the ReLU after the addition needs; "
    "with pre-activation (He 2016, ECCV) it holds for every x.",
)
