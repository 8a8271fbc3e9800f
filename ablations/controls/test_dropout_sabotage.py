"""Sabotage of dropout: does the claim notice that dropout was replaced by the identity?

The arm `identity` asks for dropout and gets nn.Identity in its place. It then pairs with `none` to
the bit: the effect must be exactly 0 for every seed, and the main claim of `regularization/dropout`
must not come out supported. Nor may it for a net of 16 hidden units, which has none to spare: there
is no over-fitting to cure, and half of the net is not enough. cpu: ten seeds; for the exact pair
any number would do, and twenty had placed the net of 16 units at -2.6 points [-3.2, -2.1]. gpu:
half the steps of paper.
"""

from dlgbench import Ablation, Claim, at_least, difference, exactly

NET_OF_16, DROPOUT = {"model_args.hidden": (16,)}, {"model_args.dropout": 0.5}
EFFECT = difference("test/error", "none", "identity")
EFFECT_OF_16 = difference("test/error", "none_16", "dropout_16")

ABLATION = Ablation(
    twin_of="regularization/dropout",
    question="Does the claim notice that dropout was replaced by the identity?",
    slide="Dropout Performance",
    override={"model_args.hidden": (1024, 1024, 1024)},
    arms={
        "none": {},
        "identity": DROPOUT | {"identity": ("Dropout",)},
        "none_16": NET_OF_16,
        "dropout_16": NET_OF_16 | DROPOUT,
    },
    tune={"lr": (0.0003, 0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.04)},
    scales={
        "cpu": {"data_args.train": 500, "steps": 2000, "seeds": 10},
        "gpu": {"steps": 15_000},
        "paper": {},
    },
    claims=[
        Claim(
            "Sabotage: dropout replaced by the identity lowers the test error by half a point",
            EFFECT,
            at_least(0.005),
            expect="not supported",
        ),
        Claim(
            "Sabotage: dropout lowers the test error of a net of 16 units by half a point",
            EFFECT_OF_16,
            at_least(0.005),
            expect="not supported",
        ),
        Claim(
            "Pairing: dropout replaced by the identity changes nothing, to the bit",
            EFFECT,
            exactly(0),
            kind="check",
        ),
    ],
)
