"""Does a trained net keep a margin?"""

from dlgbench import Ablation, Claim, Recipe, at_least, value

ABLATION = Ablation(
    question="Does a trained net keep a margin?",
    recipe=Recipe(
        model="mlp",
        data="rings",
        optimizer="adam",
        lr=0.01,
        steps=60,
        evaluations=2,
        probes=("margin",),
    ),
    arms={"short": {"steps": 30}, "long": {}},
    scales={"cpu": {"seeds": 8}, "gpu": {}},
    claims=[Claim("It does", value("margin/mean", "long"), at_least(0))],
)
