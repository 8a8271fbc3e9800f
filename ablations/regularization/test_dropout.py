"""Does dropout lower the test error of an over-parameterised MLP?

Slides: "Dropout", "Dropout block", "Dropout Performance". Srivastava et al. 2014, JMLR 15, Figure 4
and Table 2.

Protocol. cpu: 196-256-256-10 on 500 and 1,000 MNIST digits at 14x14, which it over-fits. Adam
decays linearly to 0 over 200 and 150 epochs: dropout trains more slowly, and looks useless when
there are few steps. Only hidden units are dropped. paper: the six architectures of Figure 4 on
Fashion-MNIST, dropout there with max-norm 3 and input dropout .2. gpu: the three of 1,024 units,
which cost a quarter, tuned on one seed; the steps stay, as too few would decide against dropout.
Every arm tries eight settings; the L2 arm, which is shown without a claim, tries four rates x two
strengths.

Earlier protocols; no threshold was ever changed. (1) 3 x 256 at 28x28 for 800 and 1,500 steps fell
into the trap of few steps (+0.8 points [0.0, 1.6] at n = 200, -0.2 [-0.7, 0.2] at 1,000). (2) The
present one at 28x28 gave +0.8 [0.5, 1.2] at n = 500 and +0.3 [-0.1, 0.7] at 1,000, and cost too
much for the suite's budget of core-seconds: hence 14x14. From (1) to (2) the tuning went from two
seeds with 1,000 validation images to one seed with 2,000. (3) With ten seeds n = 500 stayed
undecided (+1.0 points [.5, 1.5]; a decision at this spread takes 13): the 20 of cpu, and two rates
above .01, which the baseline had chosen, were declared before the rerun. On a second processor,
with another kernel for Adam's step, they leave n = 1,000 open, near its threshold (+.7 points [.4,
.9]; +.9 [.6, 1.2] before).
"""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

RATES = (0.0003, 0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.04)
RATES_OF_LARGE_NETS = tuple(rate / 3 for rate in RATES)
DROP = {"model_args.dropout": 0.5}

# cpu
N500 = {"data_args.train": 500, "steps": 2000}
N1000 = {"data_args.train": 1000, "steps": 3000}
SMALL = {
    "data": "mnist5k",
    "data_args.val": 2000,
    "data_args.shrink": 2,
    "model_args.hidden": (256, 256),
    "batch_size": 50,
    "evaluations": 10,
    "tuning_seeds": 1,
    "seeds": 20,
    "arms": ("none_n500", "dropout_n500", "l2_n500", "none_n1000", "dropout_n1000"),
}

# gpu and paper: the architectures of Figure 4, by their names
SHAPES = {f"{depth}x{width}": (depth, width) for depth in (2, 3, 4) for width in (1024, 2048)}
LARGE_NETS = {
    name: {"model_args.hidden": (width,) * depth} for name, (depth, width) in SHAPES.items()
}
DROP_OF_FIGURE_4 = DROP | {"model_args.input_dropout": 0.2, "max_norm": 3.0}
LARGE_ARMS: dict[str, dict] = {
    **{f"none_{name}": net for name, net in LARGE_NETS.items()},
    **{f"dropout_{name}": net | DROP_OF_FIGURE_4 for name, net in LARGE_NETS.items()},
}


def dropout_lowers_the_error(on: str, suffix: str) -> Claim:
    """By half a point or more, on the pair of arms that ends in `suffix`."""
    return Claim(
        f"Dropout lowers the test error by half a point, {on}",
        difference("test/error", f"none_{suffix}", f"dropout_{suffix}"),
        at_least(0.005),
        published="1.60 % to 1.25 % (ReLU, 3 x 1024) on MNIST with 60,000 images",
        source="Srivastava 2014, Table 2 and Figure 4",
    )


ABLATION = Ablation(
    question="Does dropout lower the test error of an over-parameterised MLP?",
    slide="Dropout; Dropout Performance",
    recipe=Recipe(
        model="mlp",
        data="fashion_mnist",
        data_args={"val": 10_000},
        optimizer="adam",
        schedule="linear",
        steps=30_000,
    ),
    arms={
        "none_n500": N500,
        "dropout_n500": N500 | DROP,
        "none_n1000": N1000,
        "dropout_n1000": N1000 | DROP,
        "l2_n500": N500,
        **LARGE_ARMS,
    },
    tune={
        "none_n500": {"lr": RATES},
        "dropout_n500": {"lr": RATES},
        "none_n1000": {"lr": RATES},
        "dropout_n1000": {"lr": RATES},
        "l2_n500": {"lr": (0.001, 0.003, 0.01, 0.03), "weight_decay": (1e-3, 1e-2)},
        **{arm: {"lr": RATES_OF_LARGE_NETS} for arm in LARGE_ARMS},
    },
    scales={
        "cpu": SMALL,
        "gpu": {"tuning_seeds": 1, "arms": tuple(arm for arm in LARGE_ARMS if "1024" in arm)},
        "paper": {"arms": tuple(LARGE_ARMS)},
    },
    claims=[
        dropout_lowers_the_error("500 images", "n500"),
        dropout_lowers_the_error("1,000 images", "n1000"),
        *(
            dropout_lowers_the_error(f"{depth} layers of {width}", name)
            for name, (depth, width) in SHAPES.items()
        ),
    ],
    objection="Dropout needs two to three times the steps: at a small budget, or with plenty of "
    "data, it is neutral or harmful. A tuned weight decay is the fairer rival, and is shown.",
)
