"""Is dropout feature noising: does Gaussian noise of the same variance do as well?

Slide: "'Feature noising'". Srivastava et al. 2014, JMLR 15, section 10: units times N(1, (1 - p) / p), p what is retained, do as well as
Bernoulli's, or a little better.

Protocol. 196-128-128-10 on 1,000 digits of 14x14, 30 % of whose labels are drawn at random: there dropout has much to gain, so that "as well" is
worth saying. (On clean labels no noise at all is within a point or two of dropout, and equivalence would be cheap.) Dropout of .5 and Gaussian
noise of variance 1 after each hidden layer; Adam decays to 0. Six rates; the net without noise takes the smallest, where it ends before it has
learnt the wrong labels by heart, and that is its fair chance. 20 seeds: on tuning seeds a pair of noisy nets differed by up to a point. The
validation labels are clean. Control: noise of variance 0. Dropout's own threshold, half a point, is the least effect that counts as regularizing.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, within

SMALL = {
    "data": "mnist5k",
    "data_args.train": 1000,
    "data_args.val": 2000,
    "data_args.shrink": 2,
    "model_args.hidden": (128, 128),
    "batch_size": 50,
}
ERROR, SECTION = "test/error", "Srivastava 2014, section 10"

ABLATION = Ablation(
    question="Is dropout feature noising: does Gaussian noise of the same variance do as well?",
    slide="'Feature noising'",
    recipe=Recipe(model="mlp", model_args={"hidden": (1024, 1024)}, data="fashion_mnist", data_args={"train": 50_000, "val": 10_000, "label_noise": 0.3},
                  optimizer="adam", schedule="linear", steps=20_000, evaluations=4),
    arms={
        "none": {},
        "dropout": {"model_args.dropout": 0.5},
        "gaussian": {"model_args.dropout": 0.5, "model_args.noise": "gaussian"},
    },
    tune={"lr": (0.0001, 0.0003, 0.001, 0.002, 0.004, 0.008)},
    scales={"cpu": SMALL | {"steps": 600, "seeds": 20, "tuning_seeds": 1}, "gpu": {}},
    claims=[
        Claim("Gaussian noise of equal variance does as well as dropout, within a point", difference(ERROR, "gaussian", "dropout"), within(0.01),
              published="as well, or a little better", source=SECTION),
        Claim("Gaussian noise lowers the test error", difference(ERROR, "none", "gaussian"), at_least(0.005), source=SECTION),
        Claim("Dropout lowers the test error", difference(ERROR, "none", "dropout"), at_least(0.005)),
        Claim("Control: noise of variance 0 does as well as dropout, within a point", difference(ERROR, "none", "dropout"), within(0.01),
              expect="not supported"),
    ],
    objection="Equal variance at one rate, on one task with wrong labels. The two differ in higher moments: dropout's exact zeros make features sparse.",
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
