"""Is dropout feature noising: does Gaussian noise of the same variance do as well?

Slide: "'Feature noising'". Srivastava et al. 2014, JMLR 15, section 10: multiplying the units by
N(1, (1 - p) / p), where p is the share retained, does as well as Bernoulli dropout or a little
better.

Protocol. 196-128-128-10 on 1,000 digits at 14x14, 30 % of whose labels are drawn at random: there
dropout has much to gain, so that "as well" means something. (On clean labels no noise at all is
within a point or two of dropout, and equivalence would be cheap.) Dropout of .5, or Gaussian noise
of variance 1, after each hidden layer; Adam decays to 0. Six rates each: the net without noise
takes the smallest, with which it ends before it has learnt the wrong labels by heart, and that is
its fair chance. The validation labels are clean. 20 seeds, since on tuning seeds two noisy nets
differed by up to a point. Control: noise of variance 0. paper: 2 x 1024 on Fashion-MNIST, 20,000
steps; gpu: half of them (20 epochs).

Smallest effects: one point for equivalence; half a point, as for dropout itself, for what counts as
regularizing.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference, within

DROPOUT = {"model_args.dropout": 0.5}
SMALL = {
    "data": "mnist5k",
    "data_args.train": 1000,
    "data_args.val": 2000,
    "data_args.shrink": 2,
    "model_args.hidden": (128, 128),
    "batch_size": 50,
    "steps": 600,
    "seeds": 20,
    "tuning_seeds": 1,
}
ERROR, SECTION = "test/error", "Srivastava 2014, section 10"
AS_WELL, LOWER = within(0.01), at_least(0.005)

ABLATION = Ablation(
    question="Is dropout feature noising: does Gaussian noise of the same variance do as well?",
    slide="'Feature noising'",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (1024, 1024)},
        data="fashion_mnist",
        data_args={"train": 50_000, "val": 10_000, "label_noise": 0.3},
        optimizer="adam",
        schedule="linear",
        steps=20_000,
        evaluations=4,
    ),
    arms={
        "none": {},
        "dropout": DROPOUT,
        "gaussian": DROPOUT | {"model_args.noise": "gaussian"},
    },
    tune={"lr": (0.0001, 0.0003, 0.001, 0.002, 0.004, 0.008)},
    scales={"cpu": SMALL, "gpu": {"steps": 10_000}, "paper": {}},
    claims=[
        Claim(
            "Gaussian noise of equal variance does as well as dropout, within a point",
            difference(ERROR, "gaussian", "dropout"),
            AS_WELL,
            published="as well, or a little better",
            source=SECTION,
        ),
        Claim(
            "Gaussian noise lowers the test error by half a point",
            difference(ERROR, "none", "gaussian"),
            LOWER,
            source=SECTION,
        ),
        Claim(
            "Dropout lowers the test error by half a point",
            difference(ERROR, "none", "dropout"),
            LOWER,
        ),
        Claim(
            "Control: noise of variance 0 does as well as dropout, within a point",
            difference(ERROR, "none", "dropout"),
            AS_WELL,
            expect="not supported",
        ),
    ],
    objection="Equal variance at one rate, on one task with wrong labels. The two differ in higher "
    "moments: dropout's exact zeros make features sparse.",
)
