"""How much of its receptive field does a unit use, by depth and by training?

Slide: "Receptive field arithmetic", which counts every pixel alike. Luo, Li, Urtasun & Zemel 2016,
NIPS: at initialization the influence of the pixels is a Gaussian whose width grows with the root of
the depth, so that its share of the field, which grows with the depth, falls; training widens it
(section 4.2, a ResNet on CIFAR-10).

Protocol. The effective field is the side of a square of as many pixels as have a gradient above
4.55 % of the largest (the probe `effective_field`, on inputs of noise, as in the paper). Stacks of
10 and 40 layers of 3x3 with ReLU at initialization, eight maps; their fields are 21 and 81. The
first three layers of a LeNet-style net would use their field of 22 wholly, so a deep net is
trained: ResNet-20 at a quarter of its width, field 81, on 1,000 digits at 14x14, 120 steps of
momentum at .05, falling to 0; one rate, which trained on a tuning seed. paper: CIFAR-10 at full
width, 8,000 steps; gpu: half of them (13 epochs).

Smallest effects, fixed beforehand: at most half of the field's side, a quarter of its pixels; a
doubling give or take a quarter for four times the depth, which is far from fourfold; a widening by
a tenth, the least that one would see in a picture. On the tuning seed of the pilot the trained
net's field was narrower and not wider; claim and expectation stay as they are published.

Control: layers of 1x1 see one pixel, however many; or none, where a whole layer is dead at its
initial weights, as in two of ten seeds.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, log_ratio, value, within

FIELD, LUO = "effective_field", "Luo 2016"
UNTRAINED: dict[str, object] = {"model": "conv_stack", "data": None, "data_args": {}, "steps": 0}


def stack(layers: int, kernel: int = 3) -> dict[str, object]:
    """Layers of K x K at their initial weights."""
    args = {"dilations": (1,) * layers, "kernels": (kernel,) * layers}
    return UNTRAINED | {"model_args": args}


ABLATION = Ablation(
    question="How much of its receptive field does a unit use, by depth and by training?",
    slide="Receptive field arithmetic",
    recipe=Recipe(
        model="resnet20",
        data="cifar10",
        optimizer="momentum",
        lr=0.05,
        weight_decay=1e-4,
        schedule="linear",
        batch_size=128,
        steps=8000,
        probes=("effective_field",),
    ),
    arms={
        "layers_10": stack(10),
        "layers_40": stack(40),
        "pointwise_40": stack(40, kernel=1),
        "untrained": {"steps": 0},
        "trained": {},
    },
    scales={
        "cpu": {
            "data": "mnist5k",
            "data_args": {"train": 1000, "val": 200, "shrink": 2},
            "model_args": {"width": 0.25},
            "batch_size": 32,
            "steps": 120,
            "evaluations": 2,
        },
        "gpu": {"steps": 4000},
        "paper": {},
    },
    claims=[
        Claim(
            "At initialization 40 layers of 3x3 use at most half of their field's side",
            value(f"{FIELD}/share", "layers_40"),
            at_most(0.5),
            published="a fraction of the field",
            source=LUO,
        ),
        Claim(
            "Four times the layers double the effective field: it grows with the root of the depth",
            log_ratio(FIELD, "layers_40", "layers_10"),
            within(math.log(1.25), math.log(2)),
            published="the root of the depth",
            source=f"{LUO}, section 2",
        ),
        Claim(
            "Training widens the effective field by a tenth",
            log_ratio(FIELD, "trained", "untrained"),
            at_least(math.log(1.1)),
            published="it grows in training",
            source=f"{LUO}, section 4.2",
            objection="120 steps on digits are not CIFAR-10; and the net of the paper was trained "
            "to its end.",
        ),
        Claim(
            "Control: 40 layers of 1x1 kernels use more than a pixel",
            value(FIELD, "pointwise_40"),
            at_least(2),
            kind="control",
            expect="not supported",
        ),
    ],
    objection="A threshold on the mean of |gradients| is one measure of many; skips let the "
    "centre through.",
)
