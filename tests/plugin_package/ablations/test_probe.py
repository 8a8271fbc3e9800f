"""Does training widen the margin?"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Does training widen the margin?",
    recipe=Recipe(
        model="mlp",
        data="rings",
        optimizer="adam",
        lr=0.01,
        steps=60,
        evaluations=2,
        probes=("margin",),
    ),
    arms={"short": {"steps": 1}, "long": {}},
    scales={"cpu": {"seeds": 5}, "gpu": {}},
    claims=[Claim("It does", difference("margin/mean", "long", "short"), at_least(0.1))],
)
