"""Does a DenseNet reach a ResNet's error with fewer parameters?

Slide "CNNs, 2017: DenseNet": "better performance/parameter ratio". Huang et al. 2017, CVPR, Table
2, Figure 4.

Protocol. Three pairs, small, medium and large, fixed before any run: a ResNet, and a DenseNet-BC
with at most half its parameters, under one recipe and with the same six rates each. Then "fewer
parameters at equal error" is one number per seed, the difference of their errors, beside two counts
that are exact. Operations and memory are measured too. paper: CIFAR-10 for 64,000 steps. gpu: of
that the medium pair, in 6,000 steps (9 epochs) with a rate that falls linearly, and in bfloat16:
its share of the catalogue's hour, of which the large pair would take another eighth. cpu: 2,000
digits at 7x7; ResNet-20 at 2, 4, 8 channels (4,456, 17,254, 67,906 parameters) against
DenseNet-BC-16 with growth 2, 5, 10 (1,498, 8,110, 30,810); SGD with momentum, the rate falling
linearly over 120 steps. No pilot was run. Ten seeds at cpu. Twenty, declared after ten had left
both errors open, left them open too (2.0 points [.6, 3.5], where a decision takes 40, and .2 [-.5,
1.1]), and cost more than the suite can spend here. Control: the medium DenseNet without
concatenation, a chain of as many layers with fewer parameters still. gpu and paper, never run yet,
had neither this control nor, at gpu, a claim about costs; both have them since.

Smallest effect, fixed beforehand: equal means an error of at most one point more; fewer means at
most half. That half the parameters are also half the operations is not expected: they are counted
at every pixel, and a DenseNet's 1x1 convolutions read all that came before. Nor is it expected that
training keeps less memory, since each layer's input is a copy of all that came before.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, difference, log_ratio

ERROR, TABLE_2 = "test/error", "Huang 2017, Table 2"
PAIRS = {  # size -> ResNet and DenseNet, at cpu and at paper
    "small": (("resnet_s", "densenet_s"), ("resnet32", "densenet_40")),
    "medium": (("resnet_m", "densenet_m"), ("resnet56", "densenet_64")),
    "large": (("resnet_l", "densenet_l"), ("resnet110", "densenet_100")),
}
CHAINS = "chain_m", "chain_64"  # the medium DenseNet without concatenation
CPU, PAPER = ((*(arm for pair in PAIRS.values() for arm in pair[at]), CHAINS[at]) for at in (0, 1))


def dense(depth, growth, **more):
    """The arm of a DenseNet-BC."""
    args = {"depth": depth, "growth": growth, **more}
    return {"model": "densenet_bc_100_12", "model_args": args}


def claims(at):
    """The claims of a scale: error, the control, and costs; of gpu, about its medium pair alone."""
    found = [
        Claim(
            f"{densenet} has at most a point more error than {resnet}, of twice its parameters",
            difference(ERROR, densenet, resnet),
            at_most(0.01),
            published="4.51 % with .8M against 4.62 % with 10.2M (ResNet-1001)",
            source=TABLE_2,
        )
        for resnet, densenet in (PAIRS[size][at] for size in ("medium", "large"))
    ]
    resnet, chain = PAIRS["medium"][at][0], CHAINS[at]
    control = Claim(
        f"Control: without concatenation {PAIRS['medium'][at][1]} has at most a point more error "
        f"than {resnet}",
        difference(ERROR, chain, resnet),
        at_most(0.01),
        expect="not supported",
    )
    pairs = [PAIRS["large"][0]] if at == 0 else [PAIRS[size][1] for size in ("large", "medium")]
    return [*found, *(claim for pair in pairs for claim in costs(*pair)), control]


def costs(resnet, densenet):
    """The claims about what a pair costs: exact counts."""
    return [
        Claim(
            f"{densenet} has at most half the parameters of {resnet}",
            log_ratio("parameters", resnet, densenet),
            at_least(math.log(2)),
        ),
        Claim(
            f"{densenet} needs at most half the operations of {resnet}",
            log_ratio("flops", resnet, densenet),
            at_least(math.log(2)),
            expect="refuted",
            kind="claim",
            objection="On ImageNet it needs half of a ResNet's at equal error (Huang 2017, "
            "Figure 3).",
        ),
        Claim(
            f"{densenet} keeps at most as much memory for its backward pass as {resnet}",
            log_ratio("memory/saved", densenet, resnet),
            at_most(0),
            expect="refuted",
            kind="claim",
            objection="Shared memory makes what the concatenations need linear in depth (Pleiss "
            "2017).",
        ),
    ]


ABLATION = Ablation(
    question="Does a DenseNet reach a ResNet's error with fewer parameters?",
    slide="CNNs, 2017: DenseNet",
    recipe=Recipe(
        model="resnet20",
        data="cifar10",
        data_args={"val": 5000, "augment": "crop_flip"},
        optimizer="momentum",
        weight_decay=1e-4,
        schedule="step",
        batch_size=64,
        steps=64_000,
        probes=("flops", "memory"),
    ),
    arms={
        "resnet_s": {"model_args.width": 0.125},
        "resnet_m": {"model_args.width": 0.25},
        "resnet_l": {"model_args.width": 0.5},
        "densenet_s": dense(16, 2),
        "densenet_m": dense(16, 5),
        "densenet_l": dense(16, 10),
        CHAINS[0]: dense(16, 5, concatenate=False),
        "resnet32": {"model": "resnet32"},
        "resnet56": {"model": "resnet56"},
        "resnet110": {"model": "resnet110"},
        "densenet_40": dense(40, 12),
        "densenet_64": dense(64, 12),
        "densenet_100": dense(100, 12),
        CHAINS[1]: dense(64, 12, concatenate=False),
    },
    tune={"lr": (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)},
    scales={
        "cpu": {
            "data": "mnist5k",
            "data_args": {"train": 2000, "val": 1000, "shrink": 4},
            "schedule": "linear",
            "batch_size": 32,
            "steps": 120,
            "evaluations": 4,
            "seeds": 10,
            "tuning_seeds": 1,
            "arms": CPU,
        },
        "gpu": {
            "schedule": "linear",
            "steps": 6000,
            "seeds": 5,
            "tuning_seeds": 1,
            "precision": "bf16",
            "arms": (*PAIRS["medium"][1], CHAINS[1]),
        },
        "paper": {"seeds": 5, "tuning_seeds": 1, "arms": PAPER},
    },
    dataset_overrides={"digits": {"data_args.train": 1000}},
    claims=[*claims(0), *claims(1)],
    objection="Parameters are cheap; time and memory are not. Width and depth are not matched, "
    "since no matching of all three exists.",
)
