"""Do smoothed labels train as well?"""

from dlgbench import Ablation, Claim, Recipe, at_most, difference

ABLATION = Ablation(
    question="Do smoothed labels train as well?",
    recipe=Recipe(model="mlp", data="rings", optimizer="adam", lr=0.01, steps=60, evaluations=2),
    arms={"plain": {}, "smoothed": {"task": "smoothed"}},
    scales={"cpu": {"seeds": 5}, "gpu": {}},
    claims=[Claim("They do", difference("test/error", "smoothed", "plain"), at_most(0.2))],
)
