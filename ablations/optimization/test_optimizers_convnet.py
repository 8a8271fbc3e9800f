"""Does the update rule matter in a small conv net, once its rate is tuned?

Slide: "Step-size Selection & Optimizers: research problem". Schneider et al. 2019, ICLR (DeepOBS); Schmidt et al. 2021, ICML.

Protocol. The lecture's own conv net on 2,000 digits at 14x14, batches of 50, 300 steps: the question of `optimization/optimizers`, with its three
tuning seeds and its margin of a point, for the three rules that DeepOBS tunes; ten seeds, for the suite's budget. Six rates each, a factor of 3 apart.
Adam, the rule that needs least tuning, is what the others are held against. A tuning seed alone chose the 300 steps: at 100 plain SGD stood at 14 % of
validation error. Control: Adam drawn afresh and tuned anew: can these seeds and this tuning grant the margin to equals at all?
"""

from dlgbench import Ablation, Claim, Recipe, difference, within

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
TENTH = tuple(rate / 10 for rate in RATES)
GRIDS = {
    "sgd": tuple(10 * rate for rate in RATES),
    "momentum": RATES,
    "adam": TENTH,
    "adam_again": TENTH,
}
SMALL = {
    "data": "mnist5k",
    "data_args.train": 2000,
    "data_args.val": 1000,
    "data_args.shrink": 2,
    "steps": 300,
}

ABLATION = Ablation(
    question="Does the update rule matter in a small conv net, once its rate is tuned?",
    slide="Step-size Selection & Optimizers: research problem",
    recipe=Recipe(model="lecture_convnet", data="fashion_mnist", data_args={"val": 10_000}, batch_size=50, steps=10_000, evaluations=20,
                  target={"train/loss": 0.3}),
    arms={**{name: {"optimizer": name} for name in GRIDS if name != "adam_again"}, "adam_again": {"optimizer": "adam", "random_stream": 1}},
    tune={name: {"lr": rates} for name, rates in GRIDS.items()},
    scales={"cpu": SMALL | {"tuning_seeds": 3}, "gpu": {}},
    dataset_overrides={"fashion_mnist": {"target": {"train/loss": 0.5}}},  # harder: fixed with the catalogue of claims, from its pilots
    claims=[
        *(Claim(f"Tuned, {name} is as good as Adam in a conv net, within a point", difference("test/error", name, "adam"), within(0.01),
                published=f"on fmnist_2c2d: {accuracy} against .9234", source="DeepOBS, Schneider 2019")
          for name, accuracy in (("sgd", ".9227"), ("momentum", ".9214"))),
        Claim("Control: Adam drawn afresh and tuned anew is as good as Adam in a conv net, within a point", difference("test/error", "adam_again", "adam"),
              within(0.01)),
    ],
    objection="No interval covers the choice of the rates: within a point holds for these settings.",
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
