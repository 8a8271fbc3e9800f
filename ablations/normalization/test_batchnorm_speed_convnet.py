"""Does batch normalization train a conv net with fewer samples, and 15 times fewer?

Slide: "Batch Normalization: used in all current systems": "train faster with fewer data samples
(15x)". Ioffe & Szegedy 2015, Figure 3, which is about a conv net.

Protocol. The question of `normalization/batchnorm_speed`, with its data, target, grid and smallest
effects, for the lecture's own conv net, a ReLU net of LeNet's size: 250 steps of SGD on minibatches
of 50, an evaluation every 5 steps, two tuning seeds. Each arm takes the best of six rates for
itself, chosen by the steps that it needs to 12 % validation error. Seen beforehand, on one tuning
seed: at 14x14 this net trains without normalization too (VGG-11 at an eighth of its width does
not), and reaches the target after 65 steps at its best rate, the normalized one after 35. Control:
the arm `identity` asks for batch normalization and gets nn.Identity in its place.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, exactly, log_ratio

STEPS = "steps_to_target"
BN = {"model_args.norm": "batch"}
ALONE = log_ratio(STEPS, "convnet", "convnet_bn")
IN_ITS_PLACE = log_ratio(STEPS, "convnet", "identity")

ABLATION = Ablation(
    question="Does batch normalization train a conv net with fewer samples, and 15 times fewer?",
    slide="Batch Normalization: used in all current systems",
    recipe=Recipe(
        model="lecture_convnet",
        data="fashion_mnist",
        data_args={"val": 10_000},
        batch_size=60,
        steps=10_000,
        evaluations=500,
        target={"val/error": 0.12},
    ),
    arms={
        "convnet": {},
        "convnet_bn": BN,
        "identity": BN | {"identity": ("BatchNorm2d", "BatchNorm1d")},
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
            "steps": 250,
            "evaluations": 50,
        },
        "gpu": {},
    },
    dataset_overrides={"fashion_mnist": {"target": {"val/error": 0.24}}},
    claims=[
        Claim(
            "A conv net reaches the target in 1.5 times fewer samples",
            ALONE,
            at_least(math.log(1.5)),
            published="31.0M steps to 13.3M by batch normalization alone (2.3x)",
            source="Ioffe 2015, Figure 3",
            objection="Each at its best rate; a step takes longer with it "
            "(`dlgbench bench batchnorm`).",
        ),
        Claim(
            "A conv net reaches the target in 15 times fewer samples",
            ALONE,
            at_least(math.log(15)),
            expect="refuted",
            published="2.1M steps of 31.0M with seven other changes (14.8x)",
            source="Ioffe 2015, Figure 3",
            objection="The paper's 15 is batch normalization with seven other changes.",
        ),
        Claim(
            "Sabotage: a conv net with the identity in its place reaches the target in 1.5 times "
            "fewer samples",
            IN_ITS_PLACE,
            at_least(math.log(1.5)),
            expect="not supported",
        ),
        Claim(
            "Pairing: with the identity in its place a conv net takes as many steps, to the bit",
            IN_ITS_PLACE,
            exactly(0),
            kind="check",
        ),
    ],
)
