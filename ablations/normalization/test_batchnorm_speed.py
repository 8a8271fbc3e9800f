"""Does batch normalization train with fewer samples, and 15 times fewer?

Slide: "Batch Normalization: used in all current systems": "train faster with fewer data samples (15x)". Ioffe & Szegedy 2015, Figure 3.

Protocol. 3x100 sigmoid nets (Ioffe's section 4.1) and ReLU nets with and without batch normalization, SGD; gpu: VGG-11 in place of ReLU. Every arm at its own
best of six rates, chosen by the steps that it takes to the target, 12 % validation error. (The best rate for the *final* error is not the quickest: on
tuning cells the normalized sigmoid net had its at 10, where it needs 240 steps; at .3 80.) The target is such that plain sigmoid nets reach it in the
budget and normalized ones need several evaluations. Minibatches are of equal size, so steps are samples. Wall time is recorded (`seconds`) and shown,
without a claim, since cells share their machine: `dlgbench bench batchnorm` measures by how much a step costs more.
`normalization/batchnorm_rates` asks for the usable rates; drift is `normalization/internal_covariate_shift`'s. On Fashion-MNIST a first evaluation kept the
target of 12 %, which no net met there: all claims were left undecided. Its 24 % is what the plain nets meet there as late, on tuning cells.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_ratio

BN, STEPS = {"model_args.norm": "batch"}, "steps_to_target"
SIGMOID = {"model_args.activation": "sigmoid", "init": "glorot"}
RELU = {"model_args.activation": "relu", "init": "he", "steps": 250, "evaluations": 50}
VGG = {"model_args": {"width": 0.25}, "init": "default", "probes": ()}
CPU, GPU = ("sigmoid", "sigmoid_bn", "relu", "relu_bn"), ("sigmoid", "sigmoid_bn", "vgg", "vgg_bn")
SMALL = {"data": "mnist5k", "data_args.train": 2000, "data_args.val": 1000, "data_args.shrink": 2, "batch_size": 50, "steps": 500, "evaluations": 50,
         "target": {"val/error": 0.12}}  # fmt: skip
FIGURE, ALONE = (
    "31.0M steps to 13.3M by batch normalization alone (2.3x), to 2.1M by seven changes at once (14.8x)",
    "Ioffe 2015, Figure 3",
)

ABLATION = Ablation(
    question="Does batch normalization train with fewer samples, and 15 times fewer?",
    slide="Batch Normalization: used in all current systems",
    recipe=Recipe(model="mlp", model_args={"hidden": (100, 100, 100)}, data="fashion_mnist", data_args={"val": 10_000}, batch_size=60, steps=10_000,
                  evaluations=500, target={"val/error": 0.15}, probes=("drift",)),
    arms={
        "sigmoid": SIGMOID, "sigmoid_bn": SIGMOID | BN, "relu": RELU, "relu_bn": RELU | BN,
        "vgg": VGG | {"model": "vgg11"}, "vgg_bn": VGG | {"model": "vgg11_bn"},
    },
    tune={"lr": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)},
    select=STEPS,
    scales={"cpu": {**SMALL, "arms": CPU, "tuning_seeds": 1}, "gpu": {"arms": GPU}},
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},
    claims=[
        *(Claim(f"{net} reaches the target in 1.5 times fewer samples", log_ratio(STEPS, net, f"{net}_bn"), at_least(math.log(1.5)),
                published=FIGURE, source=ALONE,
                objection="Each at its best rate; on a CPU core a step of an MLP takes 1.5 times as long with it (`dlgbench bench batchnorm`).")
          for net in ("sigmoid", "relu", "vgg")),
        *(Claim(f"{net} reaches the target in 15 times fewer samples", log_ratio(STEPS, net, f"{net}_bn"), at_least(math.log(15)),
                published=FIGURE, source=ALONE, expect="refuted",
                objection="The paper's 15 is batch normalization with six other changes.") for net in ("sigmoid", "relu", "vgg")),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
