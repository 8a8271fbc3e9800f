"""Does batch normalization train with fewer samples, and 15 times fewer?

Slide: "Batch Normalization: used in all current systems": "train faster with fewer data samples
(15x)". Ioffe & Szegedy 2015, Figure 3.

Protocol. 3x100 sigmoid nets (Ioffe's section 4.1) and ReLU nets, with and without batch
normalization, SGD; gpu and paper: VGG-11 in place of ReLU, at gpu tuned on one seed, since VGG
takes most of the time. Every arm takes the best of six rates for itself, chosen by the steps that
it needs to the target, 12 % validation error. (The best rate for the *final* error is not the
quickest: on tuning cells that of the normalized sigmoid net was 10, where it needs 240 steps; at .3
it needs 80.) The target is such that plain sigmoid nets reach it within the budget and normalized
ones need several evaluations. Minibatches are of equal size, so steps are samples. Wall time is
recorded (`seconds`) and shown, without a claim, since cells share their machine; `dlgbench bench
batchnorm` measures how much longer a step takes. The usable rates are the question of
`normalization/batchnorm_rates`, drift that of `normalization/internal_covariate_shift`, and a conv
net at cpu that of `normalization/batchnorm_speed_convnet`.

Earlier protocol. On Fashion-MNIST a first evaluation kept the target of 12 %, which no net met
there: all claims were left undecided. Its target is now 24 %, which the plain nets meet there about
as late, as tuning cells showed.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

STEPS = "steps_to_target"
BN = {"model_args.norm": "batch"}
SIGMOID = {"model_args.activation": "sigmoid", "init": "glorot"}
RELU = {"model_args.activation": "relu", "init": "he", "steps": 250, "evaluations": 50}
VGG = {"model_args": {"width": 0.25}, "init": "default", "probes": ()}
NETS = ("sigmoid", "relu", "vgg")
LARGE = ("sigmoid", "sigmoid_bn", "vgg", "vgg_bn")


def fewer_samples(net: str, times: float, objection: str, expect: str = "supported") -> Claim:
    """Without batch normalization the net needs `times` as many steps to the target."""
    return Claim(
        f"{net} reaches the target in {times:g} times fewer samples",
        log_ratio(STEPS, net, f"{net}_bn"),
        at_least(math.log(times)),
        expect=expect,
        published="31.0M steps to 13.3M by batch normalization alone (2.3x), to 2.1M with "
        "seven other changes (14.8x)",
        source="Ioffe 2015, Figure 3",
        objection=objection,
    )


ABLATION = Ablation(
    question="Does batch normalization train with fewer samples, and 15 times fewer?",
    slide="Batch Normalization: used in all current systems",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (100, 100, 100)},
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=60,
        steps=10_000,
        evaluations=500,
        target={"val/error": 0.15},
        probes=("drift",),
    ),
    arms={
        "sigmoid": SIGMOID,
        "sigmoid_bn": SIGMOID | BN,
        "relu": RELU,
        "relu_bn": RELU | BN,
        "vgg": VGG | {"model": "vgg11"},
        "vgg_bn": VGG | {"model": "vgg11_bn"},
    },
    tune={"lr": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)},
    select=STEPS,
    scales={
        "cpu": {
            "data": "mnist5k",
            "data_args.train": 2000,
            "data_args.val": 1000,
            "data_args.shrink": 2,
            "batch_size": 50,
            "steps": 500,
            "evaluations": 50,
            "target": {"val/error": 0.12},
            "arms": ("sigmoid", "sigmoid_bn", "relu", "relu_bn"),
            "tuning_seeds": 1,
        },
        "gpu": {"tuning_seeds": 1, "arms": LARGE},
        "paper": {"arms": LARGE},
    },
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},
    claims=[
        *(
            fewer_samples(
                net,
                times=1.5,
                objection="Each at its best rate; on a CPU core a step of an MLP takes 1.5 times "
                "as long with it (`dlgbench bench batchnorm`).",
            )
            for net in NETS
        ),
        *(
            fewer_samples(
                net,
                times=15,
                objection="The paper's 15 is batch normalization with seven other changes.",
                expect="refuted",
            )
            for net in NETS
        ),
    ],
)
