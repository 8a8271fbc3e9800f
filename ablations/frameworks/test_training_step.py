"""Do the typical training steps cost more in a framework, and do they give the same losses?

Slide: "Typical Training Steps": load a minibatch, evaluate the network, compute the loss,
backpropagate, take the optimizer's step. Here they are written three times: as a bare loop of
PyTorch; as a LightningModule, which Lightning's Trainer steps through minibatch by minibatch; and
in the suite's engine, which hands Lightning all minibatches between two evaluations at once.

Protocol. A 784-128-128-10 MLP on minibatches of 128 digits, SGD, one thread. All ways start with
the same weights and take the same minibatches; between two evaluations they take turns, 50 steps
each, 12 rounds of which the first warms up. A seed has its own split, weights and order; its cost
is the median over the rounds, so one seed gives one paired ratio. Cells run alone on the machine,
where nothing else is trained meanwhile: hence six seeds at cpu (ten had placed Lightning's ratio at
2.04 [1.97, 2.11]). The Trainer's start and end, and the evaluations, are left out.

Equal means to the bit: the mean loss of every round and, after it, every weight. The engine is to
cost at most 1.15 times the bare loop (its purpose; fixed with the catalogue of claims). The same
margin says of Lightning that it is dearer: at least 1.15 times.

Controls. A bare loop that takes the minibatches of each round in reverse order costs the same (A/A:
it must not be 1.15 times dearer), and must not have the same losses. And Lightning, minibatch by
minibatch, must not keep the engine's limit.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, exactly, log_contrast, value

STEP = "training_step"
MARGIN = math.log(1.15)


def cost(way):
    return log_contrast(f"{STEP}/{way}", f"{STEP}/bare", "mlp")


ABLATION = Ablation(
    question="Do the typical training steps cost more in a framework, and do they give the same "
    "losses?",
    slide="Typical Training Steps",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (128, 128)},
        data="mnist5k",
        data_args={"train": 2000, "val": 1000},
        batch_size=128,
        steps=600,
        evaluations=12,
        probes=(STEP,),
    ),
    arms={"mlp": {}},
    scales={"cpu": {"seeds": 6}, "gpu": {"precision": "32"}},
    claims=[
        Claim(
            "The engine has the losses and weights of a bare loop, to the bit",
            value(f"{STEP}/bare_difference", "mlp"),
            exactly(0),
        ),
        Claim(
            "So has Lightning",
            value(f"{STEP}/lightning_difference", "mlp"),
            exactly(0),
        ),
        Claim(
            "A step of the engine costs at most 1.15 times that of a bare loop",
            cost("engine"),
            at_most(MARGIN),
        ),
        Claim(
            "A step of Lightning costs at least 1.15 times that of a bare loop",
            cost("lightning"),
            at_least(MARGIN),
            objection="It costs about a millisecond more whatever the network, which is little "
            "beside the step of a large one.",
        ),
        Claim(
            "Control: a step of Lightning keeps the engine's limit",
            cost("lightning"),
            at_most(MARGIN),
            expect="not supported",
        ),
        Claim(
            "A/A: the bare loop costs at least 1.15 times itself",
            cost("reversed"),
            at_least(MARGIN),
            expect="not supported",
            kind="twin",
        ),
        Claim(
            "Control: minibatches in reverse order give the same losses and weights",
            value(f"{STEP}/reversed_difference", "mlp"),
            exactly(0),
            expect="not supported",
        ),
    ],
)
