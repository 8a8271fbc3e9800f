"""Does a hidden layer tell two rings apart?"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Does a hidden layer tell two rings apart?",
    recipe=Recipe(model="mlp", data="rings", optimizer="adam", lr=0.01, steps=60, evaluations=2),
    arms={"linear": {"model_args.hidden": ()}, "hidden": {"model_args.hidden": (16,)}},
    scales={"cpu": {"seeds": 5}, "gpu": {}},
    claims=[Claim("It does", difference("test/error", "linear", "hidden"), at_least(0.1))],
)
